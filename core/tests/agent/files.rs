//! Files of the host as a test lays them out, and the two commands that look for Compose files (PROTOCOL 10).

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::{
    Blob, Config, FilesAnswer, FilesError, FilesRequest, Find, Found, FoundFile, HostFacts, Input, OpId, Saved,
    WalkBound, WallTime,
};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::world::{World, config};

/// The host's files: what a shell would find.
#[derive(Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, Vec<u8>>,
    /// Roots that lie elsewhere.
    links: BTreeMap<String, String>,
    /// Below these nothing answers.
    pub(crate) hangs: Vec<String>,
    /// The walk below this root is stopped by this.
    stopped: Option<(String, WalkBound)>,
    pub(crate) requests: Vec<FilesRequest>,
    pub(crate) held: Vec<OpId>,
}

impl Tree {
    fn file(&mut self, path: &str, text: impl Into<Vec<u8>>) {
        self.files.insert(path.to_owned(), text.into());
    }

    fn is_folder(&self, path: &str) -> bool {
        self.files.keys().any(|file| file.starts_with(&format!("{path}/")))
    }

    /// The answer to a request, unless it hangs.
    pub(crate) fn answer(&mut self, op: OpId, request: FilesRequest) -> Option<Input> {
        self.requests.push(request.clone());
        let path = match &request {
            FilesRequest::Resolve { path } => path,
            FilesRequest::Find(find) => &find.root,
            FilesRequest::Read { path, .. } => path,
        };
        if self.hangs.iter().any(|hang| path.starts_with(hang.as_str())) {
            self.held.push(op);
            return None;
        }
        let result = match request {
            FilesRequest::Resolve { path } => Ok(FilesAnswer::Resolved(self.real(&path))),
            FilesRequest::Find(find) => Ok(FilesAnswer::Found(self.find(&find))),
            FilesRequest::Read { path, limit } => self.read(path, limit),
        };
        Some(Input::Files { op, result })
    }

    fn real(&self, path: &str) -> Option<String> {
        let real = self.links.get(path).map_or(path, String::as_str);
        self.is_folder(real).then(|| real.to_owned())
    }

    fn find(&self, find: &Find) -> Found {
        let below = format!("{}/", find.root.trim_end_matches('/'));
        let files = self.files.iter().filter_map(|(path, contents)| {
            let parts: Vec<&str> = path.strip_prefix(&below)?.split('/').collect();
            let (name, folders) = parts.split_last()?;
            let is_wanted = find.names.iter().any(|wanted| wanted == name) && folders.len() <= find.depth as usize;
            let is_open =
                |folder: &&str| !folder.starts_with('.') && !find.skipped.iter().any(|skipped| skipped == folder);
            let is_wanted = is_wanted && folders.iter().all(is_open);
            let file = FoundFile {
                path: path.clone(),
                size: contents.len() as u64,
                modified: WallTime::from_nanos(1_795_448_607_772_445_811),
            };
            is_wanted.then_some(file)
        });
        let stopped = self.stopped.as_ref().filter(|(root, _)| *root == find.root).map(|(_, bound)| *bound);
        Found { files: files.collect(), stopped, unreadable: 0, unnameable: 0 }
    }

    fn read(&self, path: String, limit: u64) -> Result<FilesAnswer, FilesError> {
        match self.files.get(&path) {
            None => Err(FilesError::NotFound { path }),
            Some(contents) if contents == b"LINK" => Err(FilesError::SymbolicLink { path }),
            Some(contents) if contents.len() as u64 > limit => {
                Err(FilesError::TooLarge { path, bytes: contents.len() as u64, limit })
            }
            Some(contents) => Ok(FilesAnswer::Contents(Blob(contents.clone()))),
        }
    }
}

/// A registered agent whose user lives in `/home/me`.
fn world(lay_out: impl FnOnce(&mut Tree)) -> World {
    let host = HostFacts { home: Some("/home/me".to_owned()), ..config().host };
    let mut world = World::with(Config { host, ..config() }, Saved::default(), Engine::new(&["web"]));
    lay_out(&mut world.tree);
    world.run_for(Duration::from_secs(5));
    world
}

fn scan(world: &mut World, payload: Value) -> Value {
    let id = format!("scan {}", world.frames.len());
    world.command(&id, "scan_compose_dirs", &payload);
    world.run_for(Duration::from_secs(60));
    world.answer(&id).clone()
}

fn paths(answer: &Value) -> Vec<&str> {
    answer["payload"]["compose_files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
}

fn read(world: &mut World, path: &str) -> Value {
    let id = format!("read {}", world.frames.len());
    world.command(&id, "read_compose_file", &json!({"path": path}));
    world.run_for(Duration::from_secs(30));
    world.answer(&id)["payload"].clone()
}

#[test]
fn the_answer_is_the_captured_one() {
    let mut world = world(|tree| {
        tree.file("/srv/demo/site/plain/docker-compose.yml", "services:\n  one: {image: a}    \n");
        tree.file("/srv/demo/site/shop/compose.yaml", "name: demo-shop\nservices: {web: {}, db: {}}\n");
        tree.file("/etc/compose.yml", "services: {a: {}}");
    });
    let answer = scan(&mut world, json!({"paths": ["/srv/demo/site", "/etc"], "recursive": true, "max_depth": 5}));
    let file = |path: &str, project: &str, services: Value, size: usize| {
        json!({"path": path, "project_name": project, "services": services, "size": size,
            "modified": "2026-11-23T15:43:27.772445811Z"})
    };
    let expected = [
        file("/srv/demo/site/plain/docker-compose.yml", "plain", json!(["one"]), 32),
        file("/srv/demo/site/shop/compose.yaml", "demo-shop", json!(["web", "db"]), 44),
    ];
    assert_eq!(answer["payload"], json!({"success": true, "compose_files": expected}));
}

#[test]
fn it_looks_in_the_usual_places_and_in_those_it_is_told() {
    let mut world = world(|tree| {
        for path in [
            "/opt/a/compose.yml",
            "/home/me/b/compose.yml",
            "/stacks/c/d/e/f/g/compose.yml",
            "/stacks/c/d/e/f/g/h/compose.yml",
            "/stacks/.hidden/compose.yml",
            "/stacks/node_modules/compose.yml",
            "/elsewhere/compose.yml",
            "/elsewhere/x/compose.yml",
            "/volume1/stacks/compose.yml",
        ] {
            tree.file(path, "");
        }
        tree.links.insert("/docker".to_owned(), "/volume1/stacks".to_owned());
        tree.file("/etc/secret/compose.yml", "");
        tree.links.insert("/sneaky".to_owned(), "/etc/secret".to_owned());
    });
    let usual = [
        "/home/me/b/compose.yml",
        "/opt/a/compose.yml",
        "/stacks/c/d/e/f/g/compose.yml",
        "/volume1/stacks/compose.yml",
    ];
    assert_eq!(paths(&scan(&mut world, Value::Null)), usual);
    assert_eq!(paths(&scan(&mut world, json!({"paths": null, "recursive": true}))), usual);
    let flat = json!({"paths": ["/elsewhere/", "relative", "/sneaky"], "recursive": false, "max_depth": 5});
    assert_eq!(paths(&scan(&mut world, flat)), ["/elsewhere/compose.yml", "/volume1/stacks/compose.yml"]);
    let deep = scan(&mut world, json!({"paths": ["/stacks/.hidden", "/elsewhere"], "max_depth": 4_000_000_000_u32}));
    assert_eq!(paths(&deep).len(), 8);
    assert!(deep["payload"].get("error").is_none(), "{deep}");
    let walked = world.tree.requests.iter().filter_map(|request| match request {
        FilesRequest::Find(find) => Some(find),
        _ => None,
    });
    for find in walked {
        assert!(find.depth <= 20 && !find.root.starts_with("/etc"), "{find:?}");
        assert!(find.never.contains(&"/proc".to_owned()));
    }
    assert_eq!(world.agent.load().operations, 1, "the event stream is all that is left");
}

#[test]
fn a_file_that_cannot_be_understood_is_listed_all_the_same() {
    let mut world = world(|tree| {
        tree.file("/srv/broken/compose.yml", "services: [");
        tree.file("/srv/large/compose.yml", vec![b' '; 1024 * 1024 + 1]);
        tree.file("/srv/latin/compose.yml", b"name: caf\xe9".to_vec());
        tree.file("/srv/link/compose.yml", "LINK");
        tree.file("/srv/whole/compose.yml", "services: {a: {}}");
    });
    let answer = scan(&mut world, json!({}));
    let told: Vec<(&str, usize)> = answer["payload"]["compose_files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["project_name"].as_str().unwrap(), file["services"].as_array().unwrap().len()))
        .collect();
    assert_eq!(told, [("broken", 0), ("large", 0), ("latin", 0), ("link", 0), ("whole", 1)]);
    assert!(
        !world
            .tree
            .requests
            .iter()
            .any(|request| matches!(request, FilesRequest::Read { path, .. } if path.contains("large")))
    );
}

#[test]
fn what_hangs_delays_the_answer_and_takes_nothing_else_from_it() {
    let mut world = world(|tree| {
        tree.file("/srv/a/compose.yml", "services: {a: {}}");
        tree.file("/mnt/nfs/compose.yml", "");
        tree.hangs.push("/mnt".to_owned());
    });
    let answer = scan(&mut world, json!({}));
    assert_eq!(paths(&answer), ["/srv/a/compose.yml"]);
    let error = answer["payload"]["error"].as_str().unwrap();
    assert!(error.contains("/mnt was not searched to its end"), "{error}");
    assert!(world.tree.held.is_empty(), "the walk was cancelled");

    world.tree.hangs.push("/srv".to_owned());
    let error = read(&mut world, "/srv/a/compose.yml");
    assert_eq!(error["success"], false);
    assert!(error["error"].as_str().unwrap().contains("no answer within 20 s"), "{error}");
    world.tree.hangs.push(String::new());
    let answer = scan(&mut world, json!({}));
    assert!(answer["error"].as_str().unwrap().contains("no answer within 50 s"), "{answer}");
}

#[test]
fn a_bound_that_is_reached_is_said() {
    for (bound, words) in [
        (WalkBound::Entries, "too many files and folders"),
        (WalkBound::Files, "too many Compose files"),
        (WalkBound::Time, "not in time"),
    ] {
        let mut world = world(|tree| {
            tree.file("/srv/a/compose.yml", "");
            tree.stopped = Some(("/srv".to_owned(), bound));
        });
        let answer = scan(&mut world, json!({}));
        assert_eq!((paths(&answer).len(), &answer["payload"]["success"]), (1, &json!(true)));
        let error = answer["payload"]["error"].as_str().unwrap();
        assert_eq!(error, format!("/srv was not searched to its end: {words}"));
    }
    let mut world = world(|tree| {
        for number in 0..6_000 {
            tree.file(&format!("/{}/{number}/compose.yml", if number % 2 == 0 { "srv" } else { "opt" }), "");
        }
    });
    let answer = scan(&mut world, json!({}));
    assert_eq!(paths(&answer).len(), 5_000);
    assert!(
        answer["payload"]["error"].as_str().unwrap().contains("too many Compose files"),
        "{}",
        answer["payload"]["error"]
    );
}

#[test]
fn an_answer_stays_below_the_frames_limit() {
    let mut world = world(|tree| {
        // In JSON each of these takes two bytes.
        let odd = "\\".repeat(240);
        let services: String = (0..500).map(|number| format!("  {number}{odd}: \n")).collect();
        for number in 0..55 {
            tree.file(&format!("/srv/{number}/compose.yml"), format!("services:\n{services}"));
        }
    });
    let answer = scan(&mut world, json!({}));
    assert!(
        answer["payload"]["error"].as_str().unwrap().contains("would be too large"),
        "{}",
        answer["payload"]["error"]
    );
    assert!(paths(&answer).len() > 10);
    assert!(answer.to_string().len() < 16 * 1024 * 1024);
}

#[test]
fn a_file_is_read_with_what_lies_beside_it() {
    let mut world = world(|tree| {
        let text = "services:\n  a: {env_file: [./a.env, sub/b.env, ../c.env, gone.env, link.env, large.env, latin.env, a.env]}\n";
        tree.file("/srv/app/compose.yml", text);
        tree.file("/srv/app/.env", "A=1\n");
        tree.file("/srv/app/a.env", "SECRET=hunter2\n");
        tree.file("/srv/app/link.env", "LINK");
        tree.file("/srv/app/large.env", vec![b'a'; 1024 * 1024 + 1]);
        tree.file("/srv/app/latin.env", vec![0xff]);
        tree.file("/srv/app/unnamed.env", "B=2");
        tree.file("/srv/bare/docker-compose.yaml", "not: [yaml");
    });
    let payload = read(&mut world, "/srv/app/compose.yml");
    assert_eq!((&payload["success"], &payload["path"]), (&json!(true), &json!("/srv/app/compose.yml")));
    assert!(payload["content"].as_str().unwrap().starts_with("services:"));
    assert_eq!(payload["env_content"], "A=1\n");
    assert_eq!(payload["env_files"], json!({".env": "A=1\n", "a.env": "SECRET=hunter2\n", "gone.env": ""}));
    assert_eq!(payload["skipped_env_files"], json!(["sub/b.env", "../c.env", "link.env", "large.env", "latin.env"]));
    assert!(payload.get("error").is_none());
    let payload = read(&mut world, "/srv/bare/docker-compose.yaml");
    let expected = json!({"success": true, "path": "/srv/bare/docker-compose.yaml", "content": "not: [yaml",
        "env_files": {".env": ""}});
    assert_eq!(payload, expected);
    for request in &world.tree.requests {
        assert!(!matches!(request, FilesRequest::Read { path, .. } if path.contains("sub") || path.contains("..")));
    }
}

#[test]
fn what_may_not_be_read_is_not_looked_at() {
    let mut world = world(|tree| {
        tree.file("/etc/passwd", "root");
        tree.file("/etc/x/compose.yml", "");
        tree.file("/srv/link/compose.yml", "LINK");
        tree.file("/srv/large/compose.yml", vec![b' '; 1024 * 1024 + 1]);
        tree.file("/srv/latin/compose.yml", vec![0xff]);
        tree.links.insert("/stacks".to_owned(), "/etc/x".to_owned());
        tree.links.insert("/docker".to_owned(), "/volume1".to_owned());
        tree.file("/volume1/a/compose.yml", "services: {}");
        tree.file("/data/compose.yml", "services: {a: {env_file: [permanent_token, x]}}");
        tree.file("/data/permanent_token", "hunter2");
    });
    for (path, words) in [
        ("/etc/passwd", "Path not allowed: nothing in /etc is read"),
        ("/srv/../etc/compose.yml", "Path not allowed: it must be absolute"),
        ("compose.yml", "Path not allowed: it must be absolute"),
        ("/srv/a.yml", "Path not allowed: it is not named docker-compose.yml"),
        ("/stacks/compose.yml", "Path not allowed: nothing in /etc is read"),
    ] {
        let before = world.tree.requests.len();
        let payload = read(&mut world, path);
        assert_eq!((&payload["success"], &payload["path"]), (&json!(false), &json!(path)));
        assert!(payload["error"].as_str().unwrap().contains(words), "{payload}");
        let reads = world.tree.requests[before..].iter().filter(|request| matches!(request, FilesRequest::Read { .. }));
        assert_eq!(reads.count(), 0, "{path}");
    }
    for (path, words) in [
        ("/srv/link/compose.yml", "Path not allowed: /srv/link/compose.yml is a symbolic link"),
        ("/srv/none/compose.yml", "not found"),
        ("/opt/none/compose.yml", "not found"),
        ("/srv/large/compose.yml", "larger than 1048576 bytes"),
        ("/srv/latin/compose.yml", "not UTF-8"),
    ] {
        let payload = read(&mut world, path);
        assert!(payload["error"].as_str().unwrap().contains(words), "{payload}");
        assert!(payload.get("content").is_none());
    }
    assert_eq!(read(&mut world, "/docker/a/compose.yml")["content"], "services: {}", "a root may be a link");
    let own = read(&mut world, "/data/compose.yml");
    assert_eq!(own["skipped_env_files"], json!(["permanent_token"]));
    assert!(!own.to_string().contains("hunter2"));
}

#[test]
fn no_text_of_a_file_is_shown_by_debug() {
    let input = Input::Files { op: OpId(1), result: Ok(FilesAnswer::Contents(Blob(b"hunter2".to_vec()))) };
    let shown = format!("{input:?}");
    assert!(!shown.contains("hunter2") && shown.contains("7 bytes"), "{shown}");
    let written = serde_json::to_string(&input).unwrap();
    let Input::Files { result, .. } = serde_json::from_str(&written).unwrap() else { panic!() };
    assert_eq!(result, Ok(FilesAnswer::Contents(Blob(b"hunter2".to_vec()))));
}

#[test]
fn a_shutdown_waits_for_no_walk() {
    let mut world = world(|tree| {
        tree.file("/mnt/x/compose.yml", "");
        tree.hangs.push("/mnt".to_owned());
    });
    world.command("scan", "scan_compose_dirs", &json!({}));
    world.input(Input::Shutdown);
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.exit, Some(0));
}
