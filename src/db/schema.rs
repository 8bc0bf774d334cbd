//! The tables as diesel sees them; `migrations/` is the truth, and a test compares the two.

diesel::table! {
    portal (id) {
        id -> Text,
        domain -> Text,
        client_endpoint -> Text,
        server_endpoint -> Text,
        lang -> Text,
        state -> Text,
        ready_at -> Nullable<BigInt>,
        gated_until -> BigInt,
        created_at -> BigInt,
        changed_at -> BigInt,
        node_id -> Nullable<BigInt>,
        epoch -> BigInt,
    }
}

diesel::table! {
    node (id) {
        id -> BigInt,
        name -> Text,
        beat -> BigInt,
    }
}

diesel::table! {
    installation (id) {
        id -> BigInt,
        portal_id -> Text,
        client_id -> Text,
        state -> Text,
        application_token_sealed -> Nullable<Text>,
        token_confirmed -> Bool,
        nonce -> Nullable<Text>,
        scope -> Text,
        session_epoch -> BigInt,
        created_at -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    grants (installation_id) {
        installation_id -> BigInt,
        portal_id -> Text,
        access_sealed -> Text,
        refresh_sealed -> Text,
        expires_at -> BigInt,
        user_id -> BigInt,
        version -> BigInt,
        state -> Text,
        changed_at -> BigInt,
        refreshing -> Nullable<BigInt>,
    }
}

diesel::table! {
    provision (installation_id, step) {
        installation_id -> BigInt,
        step -> Text,
        portal_id -> Text,
        state -> Text,
        detail -> Text,
        changed_at -> BigInt,
    }
}

diesel::table! {
    login (id) {
        id -> BigInt,
        portal_id -> Text,
        email -> Text,
        app_id -> Text,
        access_sealed -> Text,
        access_until -> BigInt,
        refresh_sealed -> Text,
        refresh_until -> BigInt,
        version -> BigInt,
        state -> Text,
        created_at -> BigInt,
        changed_at -> BigInt,
        password_sealed -> Nullable<Text>,
        issued -> BigInt,
        issued_since -> BigInt,
        refreshing -> Nullable<BigInt>,
        look_at -> BigInt,
    }
}

diesel::table! {
    channel (id) {
        id -> Text,
        portal_id -> Text,
        core -> Text,
        connector -> Text,
        account -> Text,
        title -> Text,
        own_name -> Nullable<Text>,
        link -> Nullable<Text>,
        login_id -> Nullable<BigInt>,
        valid_until -> Nullable<BigInt>,
        secret_sealed -> Nullable<Text>,
        webhook_hash -> Nullable<Text>,
        intake -> Text,
        poll_offset -> BigInt,
        state -> Text,
        created_at -> BigInt,
        changed_at -> BigInt,
        first_at -> BigInt,
    }
}

diesel::table! {
    hearing (channel_id) {
        channel_id -> Text,
        portal_id -> Text,
        look_at -> BigInt,
        complete_to -> BigInt,
    }
}

diesel::table! {
    binding (id) {
        id -> BigInt,
        portal_id -> Text,
        installation_id -> BigInt,
        channel_id -> Text,
        connector -> Text,
        line -> BigInt,
        line_name -> Text,
        signature -> Bool,
        state -> Text,
        created_at -> BigInt,
        changed_at -> BigInt,
        settings -> Text,
        hook_key_sealed -> Nullable<Text>,
    }
}

diesel::table! {
    inbox (id) {
        id -> BigInt,
        portal_id -> Text,
        source -> Text,
        dedup_key -> Text,
        body -> Text,
        state -> Text,
        tries -> Integer,
        due_at -> BigInt,
        error -> Nullable<Text>,
        received_at -> BigInt,
    }
}

diesel::table! {
    contact (id) {
        id -> BigInt,
        portal_id -> Text,
        connector -> Text,
        person -> Text,
        name -> Nullable<Text>,
        phone -> Nullable<Text>,
        username -> Nullable<Text>,
        link -> Nullable<Text>,
        picture -> Nullable<Text>,
        created_at -> BigInt,
        changed_at -> BigInt,
        b24_member_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    chat (id) {
        id -> BigInt,
        portal_id -> Text,
        channel_id -> Text,
        contact_id -> Nullable<BigInt>,
        peer -> Text,
        b24_chat_id -> Nullable<BigInt>,
        b24_user_id -> Nullable<BigInt>,
        last_message_at -> BigInt,
        created_at -> BigInt,
        look_at -> Nullable<BigInt>,
        is_group -> Bool,
        title -> Nullable<Text>,
    }
}

diesel::table! {
    message (id) {
        id -> BigInt,
        portal_id -> Text,
        chat_id -> BigInt,
        direction -> Text,
        origin -> Text,
        source_key -> Text,
        author -> Nullable<BigInt>,
        b24_message_id -> Nullable<BigInt>,
        b24_chat_id -> Nullable<BigInt>,
        progress -> Text,
        sent_at -> BigInt,
        created_at -> BigInt,
        contact_id -> Nullable<BigInt>,
        retried_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    media (id) {
        id -> BigInt,
        portal_id -> Text,
        channel_id -> Nullable<Text>,
        origin -> Text,
        name -> Text,
        mime -> Text,
        size -> Nullable<BigInt>,
        stored -> Nullable<Text>,
        state -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    part (id) {
        id -> BigInt,
        portal_id -> Text,
        message_id -> BigInt,
        position -> Integer,
        text -> Text,
        media_id -> Nullable<BigInt>,
        core_id -> Nullable<Text>,
    }
}

diesel::table! {
    run (id) {
        id -> BigInt,
        portal_id -> Text,
        installation_id -> BigInt,
        code -> Text,
        token_hash -> Text,
        token_sealed -> Text,
        waits -> Bool,
        document -> Text,
        outcomes -> Text,
        comment -> Bool,
        state -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    delivery (id) {
        id -> BigInt,
        portal_id -> Text,
        lane -> Text,
        kind -> Text,
        priority -> Integer,
        message_id -> Nullable<BigInt>,
        part_id -> Nullable<BigInt>,
        run_id -> Nullable<BigInt>,
        payload -> Text,
        state -> Text,
        due_at -> BigInt,
        tries -> Integer,
        uncertain -> Bool,
        told -> Nullable<Text>,
        error -> Nullable<Text>,
        created_at -> BigInt,
        changed_at -> BigInt,
        place -> BigInt,
        trace -> Nullable<BigInt>,
        tried_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    attempt (id) {
        id -> BigInt,
        portal_id -> Text,
        delivery_id -> BigInt,
        started_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    bucket (portal_id) {
        portal_id -> Text,
        empty_at -> BigInt,
        written_at -> BigInt,
        clean -> Bool,
    }
}

diesel::table! {
    parking (portal_id) {
        portal_id -> Text,
        parked_at -> BigInt,
        resumed_at -> Nullable<BigInt>,
        looks -> Integer,
    }
}

diesel::table! {
    administrator (portal_id, user_id) {
        portal_id -> Text,
        user_id -> BigInt,
        seen_at -> BigInt,
    }
}

diesel::table! {
    chat_operator (chat_id) {
        chat_id -> BigInt,
        portal_id -> Text,
        user_id -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    kept_settings (portal_id, channel_id, connector) {
        portal_id -> Text,
        channel_id -> Text,
        connector -> Text,
        settings -> Text,
        hook_key_sealed -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    portal,
    node,
    installation,
    grants,
    provision,
    login,
    channel,
    hearing,
    binding,
    inbox,
    contact,
    chat,
    message,
    media,
    part,
    run,
    delivery,
    attempt,
    bucket,
    parking,
    administrator,
    chat_operator,
    kept_settings,
);
