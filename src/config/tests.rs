use super::*;

fn flags(dir: &Path) -> Flags {
    Flags {
        data_dir: Some(dir.display().to_string()),
        public_url: Some("https://chat.example.com".into()),
        b24_client_id: Some("local.1".into()),
        b24_client_secret: Some("s".into()),
        ..Flags::default()
    }
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("chatapp-config-{name}-{}", std::process::id()))
}

#[test]
fn every_default_has_a_flag_and_every_flag_a_default() {
    let defaults: Table = toml::from_str(DEFAULTS).unwrap();
    let all = Flags {
        config: None,
        bind: Some("x".into()),
        admin_bind: Some("x".into()),
        public_url: Some("x".into()),
        database_url: Some("x".into()),
        data_dir: Some("x".into()),
        media_url: Some("x".into()),
        app_secret: Some("x".into()),
        app_secret_old: Some("x".into()),
        b24_client_id: Some("x".into()),
        b24_client_secret: Some("x".into()),
        b24_oauth_servers: Some("x".into()),
        b24_burst: Some(1),
        b24_rate: Some(1),
        journal_days: Some(1),
        b24_js_url: Some("x".into()),
        cores: Some("x".into()),
        chatapp_api_url: Some("x".into()),
        telegram_api_url: Some("x".into()),
        allow_hosts: Some("x".into()),
        trusted_proxies: Some("x".into()),
        support_url: Some("x".into()),
        log_format: Some("x".into()),
    };
    let mut names: Vec<_> = all.table().keys().cloned().collect();
    let mut known: Vec<_> = defaults.keys().cloned().collect();
    names.sort();
    known.sort();
    assert_eq!(names, known);
}

#[test]
fn the_generated_secret_is_kept() {
    let dir = folder("secret");
    let first = Config::load(&flags(&dir)).unwrap();
    let second = Config::load(&flags(&dir)).unwrap();
    assert!(first.app_secret == second.app_secret);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn contradictions_are_refused_in_words() {
    let dir = folder("words");
    let refused = |change: fn(&mut Flags)| {
        let mut flags = flags(&dir);
        change(&mut flags);
        Config::load(&flags).unwrap_err().to_string()
    };
    assert!(refused(|f| f.public_url = Some("http://localhost:1".into())).contains("no dot"));
    assert!(refused(|f| f.public_url = None).contains("PUBLIC_URL"));
    assert!(refused(|f| f.b24_client_secret = None).contains("belong together"));
    assert!(refused(|f| f.database_url = Some("postgres://x/y".into())).contains("APP_SECRET"));
    assert!(refused(|f| f.app_secret = Some("short".into())).contains("32"));
    assert!(refused(|f| f.cores = Some("chatapp,other".into())).contains("CORES"));
    assert!(refused(|f| f.media_url = Some("s3://bucket".into())).contains("MEDIA_URL"));
    assert!(refused(|f| f.b24_oauth_servers = Some(String::new())).contains("B24_OAUTH_SERVERS"));
    fs::remove_dir_all(dir).unwrap();
}
