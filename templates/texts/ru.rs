//! Russian. Words of the product: портал, установка, Открытая линия, Аккаунт, канал, подключение, чат, клиент.

use crate::app::AppState;
use crate::connector::{AccountForm, WriteFirst};
use crate::crm_chat::{CardKind, ChatState};
use crate::install::{StepKey, StepState};
use crate::parts::Health;
use crate::problem::{ProblemText, ProblemTexts};

use super::{AppTexts, CommonTexts, ConnectorTexts, CrmChatTexts, InstallTexts, PlainTexts, ScriptTexts, Texts};

pub(super) const TEXTS: Texts = Texts {
    code: "ru",
    common: COMMON,
    script: SCRIPT,
    install: INSTALL,
    app: APP,
    connector: CONNECTOR,
    crm_chat: CRM_CHAT,
    plain: PlainTexts {
        neutral_title: "ChatApp для Битрикс24",
        neutral_text: "Это страница приложения. Откройте её из меню вашего Битрикс24.",
        granted_title: "У ChatApp снова есть доступ",
        granted_text: "Закройте эту вкладку и вернитесь в Битрикс24.",
    },
    problems: PROBLEMS,
};

const COMMON: CommonTexts = CommonTexts {
    valid_until: "оплачен до",
    refresh: "Обновить список",
    refresh_hint: "Запросит у ChatApp Аккаунты, их мессенджеры и сроки оплаты. Само это происходит дважды в день.",
    refreshed: "Список теперь такой, как в ChatApp.",
    line_named: |line| format!("Открытая линия «{line}»"),
    health: |health| match health {
        Health::Ok => "Работает",
        Health::Calm => "Не используется",
        Health::Warn => "Требует внимания",
        Health::Error => "Не работает",
    },
    support: "Написать в поддержку",
    request: "Запрос",
    needs_script: "В браузере выключены скрипты, поэтому кнопки и формы на этой странице не работают. Разрешите скрипты и обновите страницу.",
    portal_missing: "Не загрузился скрипт Битрикс24. Страница работает, но открыть чат и завершить установку отсюда нельзя. Обновите страницу. Если не поможет, проверьте, что сеть не закрывает адреса Битрикс24.",
};

const SCRIPT: ScriptTexts = ScriptTexts {
    offline: "Нет связи с сервером. Проверьте сеть и повторите.",
    failed: "Сервер не смог ответить. Повторите через минуту.",
    session_over: "Страница открыта слишком долго. Обновите её и повторите.",
    needs_portal: "Это работает только внутри Битрикс24.",
    request: "Запрос",
};

const INSTALL: InstallTexts = InstallTexts {
    title: "Установка ChatApp",
    step: |key| match key {
        StepKey::Access => "Доступ к порталу",
        StepKey::Events => "События",
        StepKey::Connectors => "Контакт-центр",
        StepKey::Placements => "Карточки CRM",
        StepKey::Robots => "Автоматизация",
    },
    step_about: |key| match key {
        StepKey::Access => "Подтверждает портал и разрешения приложения",
        StepKey::Events => "Чтобы сообщения операторов уходили в мессенджеры",
        StepKey::Connectors => "Плитка для каждого мессенджера",
        StepKey::Placements => "Вкладка ChatApp в лидах, сделках, контактах и компаниях",
        StepKey::Robots => "Роботы для стадий и бизнес-процессов",
    },
    step_state: |state| match state {
        StepState::Waiting => "ожидает",
        StepState::Running => "выполняется",
        StepState::Done => "готово",
        StepState::Lacking => "недоступно",
        StepState::Failed => "не получилось",
    },
    working: "Это займёт меньше минуты. Не закрывайте страницу.",
    stopped: "Всё, что уже готово, сохранится.",
    again: "Повторить",
    ready: "Всё настроено.",
    ready_limited: "Настроено всё, что доступно на этом портале.",
    ready_lacking: "Чего нет и почему, сказано выше. Остальное работает.",
    finishing: "Установка сейчас завершится сама.",
    finish: "Завершить установку",
    what_next: "Что дальше: откройте Контакт-центр, выберите мессенджер ChatApp и подключите его к Открытой линии.",
};

const APP: AppTexts = AppTexts {
    title: "ChatApp",
    version: "версия",
    state: "Состояние",
    state_name: |state| match state {
        AppState::Works => "Работает",
        AppState::Limited => "Работает с ограничениями",
        AppState::Unfinished => "Установка не завершена",
        AppState::GrantLost => "Нет доступа к порталу",
        AppState::Silent => "Портал не отвечает",
    },
    grant: "Выдать доступ заново",
    grant_hint: "Откроется Битрикс24 в новой вкладке.",
    accounts: "Аккаунты",
    accounts_none: "Аккаунтов пока нет.",
    accounts_how: "Откройте Контакт-центр, выберите мессенджер ChatApp и добавьте Аккаунт там.",
    not_connected: "не подключён к Открытой линии",
    login: "Вход в ChatApp",
    login_dead: "ChatApp его больше не принимает, добавьте Аккаунт заново",
    password_kept: "пароль сохранён",
    password_forget: "Забыть пароль",
    password_forget_ask: "Вход продолжит работать. Когда ChatApp его завершит, пароль придётся ввести снова.",
    password_forgotten: "Пароль больше не хранится.",
    provisioning: "Что настроено на портале",
    checked: "проверено",
    repair: "Проверить и исправить",
    repair_hint: "Настроит заново то, чего не хватает. Настройки и чаты останутся.",
};

const CONNECTOR: ConnectorTexts = ConnectorTexts {
    status: "Подключение",
    not_connected: "Не подключено",
    connected: "Подключено",
    broken: "Не работает",
    choose: "Выберите канал ниже или сначала добавьте Аккаунт.",
    ask_manager: "Попросите администратора или того, кто управляет Контакт-центром, подключить канал.",
    since: "с",
    disconnect: "Отключить",
    disconnect_ask: "Новые сообщения перестанут приходить в эту Открытую линию. Чаты останутся.",
    channels: "Каналы",
    channels_none: "Для этого мессенджера пока нет канала. Добавьте Аккаунт ниже.",
    save: "Сохранить и подключить",
    save_hint: "Сообщения клиентов будут приходить в эту Открытую линию.",
    settings: "Настройки",
    settings_save: "Сохранить настройки",
    settings_saved: "Сохранено. Так будет со следующего сообщения.",
    here: "подключён здесь",
    free: "свободен",
    taken: "занят",
    unusable: "недоступен",
    elsewhere: |line| format!("подключён к Открытой линии «{line}», сначала отключите его там"),
    add: "Добавить Аккаунт",
    add_button: "Добавить",
    form_name: |form| match form {
        AccountForm::ChatApp => "Аккаунт ChatApp",
        AccountForm::TelegramBot => "Телеграм-бот",
    },
    chatapp_about: "Аккаунт, в котором подключены ваши мессенджеры. Его каналы появятся в списке выше.",
    email: "Электронная почта",
    password: "Пароль",
    password_hint: "Нужен один раз, чтобы войти.",
    keep_password: "Сохранить пароль, чтобы сервер мог войти снова сам",
    keep_password_hint: "Без этого пароль не хранится, и его придётся ввести снова, когда ChatApp завершит вход. Он хранится зашифрованным, ни для чего другого не используется, и его можно забыть на странице приложения.",
    app_id: "App ID",
    app_id_hint: "Из личного кабинета ChatApp.",
    bot_steps: &[
        "Откройте @BotFather в Telegram.",
        "Отправьте /newbot и ответьте на вопросы. Если бот уже есть: /mybots, выберите бота, затем API Token.",
        "Скопируйте токен и вставьте его сюда.",
    ],
    bot_token: "Токен бота",
    bot_hint: "Если сообщения этого бота сейчас получает другой сервис, он перестанет их получать.",
    abilities: "Что умеет этот мессенджер",
    write_first: |how| match how {
        WriteFirst::Never => "Первым пишет клиент, вы отвечаете",
        WriteFirst::ByPhone => "Можно написать первым по номеру телефона",
        WriteFirst::ByPhoneOrUsername => "Можно написать первым по номеру телефона или @username",
        WriteFirst::ByTemplate => "Можно написать первым по номеру телефона, используя одобренный шаблон",
        WriteFirst::ByEmail => "Можно написать первым по адресу электронной почты",
    },
    edit_yes: "Клиент видит правки оператора",
    edit_no: "Правка оператора придёт клиенту новым сообщением с пометкой ✏️",
    delete_yes: "Оператор может удалить сообщение у клиента",
    delete_no: "Отправленное сообщение нельзя удалить у клиента",
    client_edit_yes: "Оператор видит правки клиента",
    client_edit_no: "Правки клиента до оператора не доходят",
    statuses: |delivered, read| match (delivered, read) {
        (true, true) => "Видно, доставлено ли сообщение и прочитано ли",
        (true, false) => "Видно, доставлено ли сообщение; прочитано ли, не видно",
        (false, true) => "Видно, прочитано ли сообщение",
        (false, false) => "Не сообщает, доставлено ли сообщение и прочитано ли",
    },
    files: |limit| format!("Файлы до {limit} МБ"),
};

const CRM_CHAT: CrmChatTexts = CrmChatTexts {
    kind: |kind| match kind {
        CardKind::Lead => "Лид",
        CardKind::Deal => "Сделка",
        CardKind::Contact => "Контакт",
        CardKind::Company => "Компания",
    },
    chats: "Чаты",
    chats_none: "С этим клиентом ещё нет чата.",
    chats_how: "Чат появится здесь, когда напишет клиент или когда вы напишете первым.",
    chat_state: |state| match state {
        ChatState::Unanswered => "ждёт ответа",
        ChatState::Open => "отвечен",
        ChatState::Closed => "закрыт",
        ChatState::Failed => "не отправлено",
    },
    you: "Вы",
    open: "Открыть чат",
    write: "Написать первым",
    channel: "Канал",
    address: "Кому",
    address_hint: "Номер телефона, @username или электронная почта – что принимает канал.",
    text: "Сообщение",
    send: "Отправить",
    sent: |is_out| {
        if is_out {
            "Сообщение отправлено."
        } else {
            "Сообщение отправляется. Когда оно уйдёт, будет видно в списке."
        }
    },
    goes_at: "Сообщение уйдёт в {at}: личный аккаунт Telegram пишет первым по номеру телефона раз в три минуты.",
};

const fn words(what: &'static str, todo: &'static str) -> ProblemText {
    ProblemText { what, todo }
}

const PROBLEMS: ProblemTexts = ProblemTexts {
    not_verified: words(
        "Не удалось убедиться, какой это портал.",
        "Откройте приложение заново из меню вашего Битрикс24.",
    ),
    not_installed: words(
        "Приложение установлено на портале не до конца.",
        "Администратору нужно открыть ChatApp из меню и дождаться конца установки.",
    ),
    administrator_only: words("Это может сделать только администратор портала.", "Обратитесь к администратору."),
    managers_only: words(
        "У вас нет права менять коннекторы портала.",
        "Попросите у администратора право управлять Контакт-центром.",
    ),
    card_closed: words("У вас нет доступа к этой карточке.", "Обратитесь к ответственному или к администратору."),
    card_unsaved: words("Карточка ещё не сохранена.", "Сохраните карточку и откройте вкладку снова."),
    unknown_placement: words(
        "Страница открыта неизвестным способом.",
        "Обновите Битрикс24. Если не поможет, администратору нужно нажать «Проверить и исправить» в ChatApp.",
    ),
    unknown_connector: words("Это не мессенджер ChatApp.", "Откройте его с плитки в Контакт-центре."),
    line_missing: words(
        "Не выбрана Открытая линия.",
        "Вернитесь в Контакт-центр, нажмите «Подключить» и выберите Открытую линию.",
    ),
    grant_lost: words(
        "ChatApp потерял доступ к этому порталу.",
        "Администратору нужно открыть ChatApp из меню или выдать доступ заново.",
    ),
    portal_silent: words(
        "Ваш Битрикс24 не отвечает.",
        "Ничего не потеряно: сообщения ждут. Повторите через несколько минут.",
    ),
    plan_lacks: words(
        "На вашем тарифе Битрикс24 нет этой возможности.",
        "Она заработает после смены тарифа и нажатия «Проверить и исправить».",
    ),
    scope_lacks: words(
        "Приложению не хватает разрешения.",
        "Обновите приложение в Маркете или переустановите его, не удаляя данные.",
    ),
    session_over: words("Страница открыта слишком долго.", "Обновите её."),
    too_many: words("Слишком много запросов.", "Подождите минуту и повторите."),
    unavailable: words("Сервер перезапускается.", "Повторите через минуту. Сообщения не потеряются."),
    internal: words("Ошибка на нашей стороне.", "Повторите. Если не поможет, сообщите поддержке номер запроса."),
    field_empty: words("Поле пустое.", "Заполните его."),
    field_wrong: words("Такого значения быть не может.", "Проверьте, нет ли опечатки."),
    login_refused: words(
        "ChatApp не принял почту, пароль или App ID.",
        "Проверьте все три: App ID и почта должны быть от одного Аккаунта.",
    ),
    logins_used_up: words("ChatApp сегодня больше не принимает входы в этот Аккаунт.", "Повторите завтра."),
    token_refused: words("Telegram не знает такого токена.", "Скопируйте его из @BotFather ещё раз, целиком."),
    account_taken: words("Этот Аккаунт уже обслуживает другой портал.", "Сначала отключите его там."),
    account_expired: words("Оплаченный срок Аккаунта закончился.", "Продлите его в ChatApp. Канал заработает сам."),
    channel_taken: words("Этот канал подключён к другой Открытой линии.", "Сначала отключите его там."),
    channel_gone: words("Этого канала больше нет.", "Выберите другой."),
    channel_down: words(
        "Канал потерял связь с мессенджером.",
        "Войдите в мессенджер заново в Аккаунте, затем проверьте здесь.",
    ),
    core_silent: words("Сервис мессенджера не отвечает.", "Повторите через несколько минут."),
    no_channels: words(
        "Нет канала, который может написать первым.",
        "Администратор может подключить его в Контакт-центре.",
    ),
    address_wrong: words("Такой адрес непонятен.", "Напишите номер с кодом страны, @username или электронную почту."),
    not_in_messenger: words("В этом мессенджере нет такого человека.", "Выберите другой канал или адрес."),
    cannot_write_first: words(
        "Этот канал не может написать первым по такому адресу.",
        "Выберите другой канал или адрес.",
    ),
    text_too_long: words("Текст слишком длинный для этого мессенджера.", "Сократите его или отправьте частями."),
    chat_gone: words("Этого чата больше нет.", "Обновите список."),
    outcome_unknown: words(
        "Неизвестно, ушло ли сообщение.",
        "Посмотрите в мессенджере, прежде чем отправлять его снова.",
    ),
};
