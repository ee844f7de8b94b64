//! Looking for Compose files on the host, and reading them (PROTOCOL 10), on every engine and in trees that mean ill.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use crate::engine::EngineOptions;
use crate::server::ServerOptions;
use crate::suite::support::agent::Setup;
use crate::suite::support::engines::{Engine, every_engine, not_run};
use crate::suite::support::stage::Stage;

scenarios! {
    "10": compose_files_are_found_and_read,
    "10": a_tree_that_means_ill_does_no_harm,
    "10": a_home_that_is_a_link_is_looked_through,
    "10": folders_that_are_closed_to_the_agent_are_passed_over,
    "10": walks_side_by_side_delay_nobody,
}

/// What must never stand in a log.
const SECRET: &str = "hunter2-of-the-env-file";

/// A folder to look in.
struct Tree {
    root: String,
    place: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(place.path()).unwrap().to_str().unwrap().to_owned();
        Self { root, place }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    fn file(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The paths below the root that a scan told, and the files as they were told.
    fn told(&self, answer: &Value) -> (Vec<String>, Vec<Value>) {
        let below = self.at("");
        let files = answer["compose_files"].as_array().unwrap();
        let mine = files.iter().filter(|file| file["path"].as_str().unwrap().starts_with(&below));
        mine.map(|file| (file["path"].as_str().unwrap()[below.len()..].to_owned(), file.clone())).unzip()
    }
}

fn stage<'a>(engine: &'a Engine, home: &Tree) -> Stage<'a> {
    let set = |setup: Setup| setup.var("HOME", home.root.as_str()).secret(SECRET);
    Stage::with(engine, ServerOptions::default(), set)
}

fn scan(stage: &Stage<'_>, paths: Value) -> Value {
    let answer = stage.command("scan_compose_dirs", json!({"paths": paths, "recursive": true, "max_depth": 5})).ok();
    assert_eq!(answer["success"], true);
    answer
}

fn read(stage: &Stage<'_>, path: &str) -> Value {
    let answer = stage.command("read_compose_file", json!({"path": path})).ok();
    assert_eq!(answer["path"], path);
    let refused = answer["success"] == false;
    assert_eq!(refused, answer["error"].as_str().is_some_and(|error| !error.is_empty()), "{answer}");
    answer
}

fn compose_files_are_found_and_read() {
    every_engine(|engine| {
        let (home, other) = (Tree::new(), Tree::new());
        home.file("plain/docker-compose.yml", "services:\n  one: {image: busybox, env_file: [a.env, ../b.env]}\n");
        home.file("plain/a.env", format!("PASSWORD={SECRET}\n"));
        home.file("plain/.env", "TAG=1\n");
        home.file("Two Words/compose.yaml", "services: {b: {}, a: {}}\n");
        home.file("two/node_modules/x/compose.yml", "");
        home.file("two/.git/compose.yml", "");
        home.file("a/b/c/d/e/compose.yml", "");
        home.file("a/b/c/d/e/f/compose.yml", "");
        other.file("shop/compose.yaml", "name: demo-shop\nservices:\n  web: {image: a}\n  db: {image: b}\n");
        let stage = stage(engine, &home);

        let answer = scan(&stage, json!([other.root, "/etc", other.root]));
        let (paths, files) = home.told(&answer);
        assert_eq!(paths, ["Two Words/compose.yaml", "a/b/c/d/e/compose.yml", "plain/docker-compose.yml"]);
        assert_eq!((&files[0]["project_name"], &files[0]["services"]), (&json!("twowords"), &json!(["b", "a"])));
        assert_eq!((&files[2]["project_name"], &files[2]["services"]), (&json!("plain"), &json!(["one"])));
        let metadata = fs::metadata(home.at("plain/docker-compose.yml")).unwrap();
        assert_eq!(files[2]["size"], metadata.len());
        let modified = jiff::Timestamp::try_from(metadata.modified().unwrap()).unwrap();
        assert_eq!(files[2]["modified"], modified.to_string());
        assert!(files[2]["modified"].as_str().unwrap().ends_with('Z'));
        let (paths, files) = other.told(&answer);
        assert_eq!((paths, &files[0]["project_name"]), (vec!["shop/compose.yaml".to_owned()], &json!("demo-shop")));
        assert_eq!(home.told(&scan(&stage, Value::Null)).0.len(), 3, "the home directory is a usual place");
        let flat = json!({"paths": [home.at("plain")], "recursive": false, "max_depth": 5});
        let flat = stage.command("scan_compose_dirs", flat).ok();
        assert_eq!(home.told(&flat).0, ["plain/docker-compose.yml"]);

        let path = home.at("plain/docker-compose.yml");
        let read_it = read(&stage, &path);
        assert_eq!(read_it["content"], fs::read_to_string(&path).unwrap());
        assert_eq!(read_it["env_content"], "TAG=1\n");
        assert_eq!(read_it["env_files"], json!({".env": "TAG=1\n", "a.env": format!("PASSWORD={SECRET}\n")}));
        assert_eq!(read_it["skipped_env_files"], json!(["../b.env"]));
        assert_eq!(read(&stage, "/etc/passwd")["error"], "Path not allowed: nothing in /etc is read");
        assert_eq!(read(&stage, &home.at("plain/a.env"))["success"], false);
        assert!(read(&stage, &home.at("none/compose.yml"))["error"].as_str().unwrap().contains("not found"));
        let wrong = stage.command("read_compose_file", json!({})).error();
        assert!(wrong.contains("path"), "{wrong}");
        let wrong = stage.command("scan_compose_dirs", json!({"paths": "/srv"})).error();
        assert!(wrong.contains("sequence"), "{wrong}");
        stage.check();
    });
}

fn a_tree_that_means_ill_does_no_harm() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let (home, outside) = (Tree::new(), Tree::new());
    outside.file("secret/compose.yml", "services: {secret: {}}");
    outside.file("x.env", SECRET);
    home.file("real/compose.yml", "services: {a: {env_file: [x.env, pipe.env, latin.env, y.env]}}");
    home.file("large/compose.yml", vec![b'#'; 1024 * 1024 + 1]);
    home.file("full/compose.yml", vec![b'#'; 1024 * 1024]);
    home.file("broken/compose.yml", format!("services: {{a: *{SECRET}"));
    home.file("latin/compose.yml", b"services: {caf\xe9: {}}");
    home.file("bomb/compose.yml", "[".repeat(1024 * 1024));
    home.file("real/latin.env", b"A=\xe9");
    symlink(outside.at("x.env"), home.at("real/x.env")).unwrap();
    symlink(outside.at("secret"), home.at("out")).unwrap();
    symlink(&home.root, home.at("real/loop")).unwrap();
    symlink("loop2", home.at("real/loop2")).unwrap();
    symlink(home.at("real/compose.yml"), home.at("compose.yml")).unwrap();
    for pipe in ["pipe/compose.yml", "real/pipe.env"] {
        fs::create_dir_all(home.at("pipe")).unwrap();
        mknodat(CWD, home.at(pipe), FileType::Fifo, Mode::RWXU, 0).unwrap();
    }
    let odd = home.place.path().join(std::ffi::OsStr::from_bytes(b"odd\xff"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("compose.yml"), "").unwrap();
    let deep = "d/".repeat(300);
    home.file(&format!("deep/{deep}compose.yml"), "");
    let stage = stage(&engine, &home);

    let answer = scan(&stage, json!([]));
    let (paths, files) = home.told(&answer);
    let expected = [
        "bomb/compose.yml",
        "broken/compose.yml",
        "full/compose.yml",
        "large/compose.yml",
        "latin/compose.yml",
        "real/compose.yml",
    ];
    assert_eq!(paths, expected);
    for file in &files[..5] {
        assert_eq!(file["services"], json!([]), "{file}");
    }
    assert_eq!(files[3]["size"], 1024 * 1024 + 1);
    let deepest = stage.command("scan_compose_dirs", json!({"recursive": true, "max_depth": 100_000})).ok();
    assert_eq!(home.told(&deepest).0, expected, "twenty levels are enough");

    let refused = |path: &str, words: &str| {
        let answer = read(&stage, &home.at(path));
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(words)), "{path}: {answer}");
    };
    refused("compose.yml", "is a symbolic link");
    refused("out/compose.yml", "is a symbolic link");
    refused("real/loop/real/compose.yml", "is a symbolic link");
    refused("real/loop2/compose.yml", "is a symbolic link");
    refused("pipe/compose.yml", "not a regular file");
    refused("large/compose.yml", "larger than 1048576 bytes");
    refused("latin/compose.yml", "not UTF-8");
    refused("real/../real/compose.yml", "Path not allowed");
    assert_eq!(read(&stage, &home.at("full/compose.yml"))["content"].as_str().unwrap().len(), 1024 * 1024);
    let real = read(&stage, &home.at("real/compose.yml"));
    assert_eq!(real["env_files"], json!({".env": "", "y.env": ""}));
    assert_eq!(real["skipped_env_files"], json!(["x.env", "pipe.env", "latin.env"]));

    // What was a file when it was found is a link when it is read.
    fs::rename(home.at("real"), home.at("moved")).unwrap();
    symlink(outside.at("secret"), home.at("real")).unwrap();
    refused("real/compose.yml", "is a symbolic link");
    fs::remove_file(home.at("moved/compose.yml")).unwrap();
    symlink(outside.at("secret/compose.yml"), home.at("moved/compose.yml")).unwrap();
    refused("moved/compose.yml", "is a symbolic link");
    stage.check();
}

fn a_home_that_is_a_link_is_looked_through() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let (place, real) = (Tree::new(), Tree::new());
    real.file("me/app/compose.yml", "services: {a: {}}");
    symlink(real.at("me"), place.at("home")).unwrap();
    let home = place.at("home");
    let stage = Stage::with(&engine, ServerOptions::default(), |setup| setup.var("HOME", home.as_str()));
    assert_eq!(real.told(&scan(&stage, Value::Null)).0, ["me/app/compose.yml"]);
    assert_eq!(read(&stage, &real.at("me/app/compose.yml"))["content"], "services: {a: {}}");
    assert_eq!(read(&stage, &format!("{home}/app/compose.yml"))["content"], "services: {a: {}}");
    stage.check();
}

fn folders_that_are_closed_to_the_agent_are_passed_over() {
    if !rustix::process::getuid().is_root() {
        return not_run("an agent of another user needs root");
    }
    let engine = Engine::simulated(EngineOptions::docker26());
    let home = Tree::new();
    home.file("open/compose.yml", "");
    home.file("closed/compose.yml", "");
    home.file("file/compose.yml", "services: {a: {}}");
    let mode = |path: &str, mode| fs::set_permissions(home.at(path), fs::Permissions::from_mode(mode)).unwrap();
    mode("", 0o755);
    mode("closed", 0o700);
    mode("file/compose.yml", 0o600);
    for path in [engine.socket.parent().unwrap(), &engine.socket] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let set = |setup: Setup| setup.user(65534).var("HOME", home.root.as_str());
    let stage = Stage::begun(&engine, ServerOptions::default(), set);
    stage.wait_registered();
    let (paths, files) = home.told(&scan(&stage, Value::Null));
    assert_eq!(paths, ["file/compose.yml", "open/compose.yml"]);
    assert_eq!(files[0]["services"], json!([]));
    let denied = read(&stage, &home.at("file/compose.yml"));
    assert!(denied["error"].as_str().unwrap().contains("ermission denied"), "{denied}");
    let denied = read(&stage, &home.at("closed/compose.yml"));
    assert!(denied["error"].as_str().unwrap().contains("ermission denied"), "{denied}");
    stage.check();
}

fn walks_side_by_side_delay_nobody() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let home = Tree::new();
    for number in 0..3_000 {
        fs::create_dir_all(home.at(&format!("{}/{number}", number % 10))).unwrap();
    }
    home.file("1/last/compose.yml", "services: {a: {}}");
    let stage = stage(&engine, &home);
    let asked: Vec<_> = (0..6)
        .map(|_| stage.server.begin_command("scan_compose_dirs", json!({"paths": [home.root]})).unwrap())
        .collect();
    for _ in 0..10 {
        assert!(stage.command("list_containers", None).ok().is_array());
    }
    assert_eq!(read(&stage, &home.at("1/last/compose.yml"))["content"], "services: {a: {}}");
    for pending in asked {
        let answer = stage.server.block_on(pending.wait(crate::suite::support::agent::DEADLINE)).unwrap().ok();
        assert_eq!(home.told(&answer).0, ["1/last/compose.yml"]);
    }
    stage.check();
}
