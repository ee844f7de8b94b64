//! Walks and reads in trees that mean ill.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use dockmon_core::{Find, Found, WalkBound};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

struct Tree {
    // Before the folder, which is removed at its end.
    root: String,
    _place: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        // The system's own temporary folder may be a link.
        let root = fs::canonicalize(place.path()).unwrap().to_str().unwrap().to_owned();
        Self { root, _place: place }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn find(&self) -> Find {
        Find {
            root: self.root.clone(),
            names: vec!["compose.yml".to_owned(), "compose.yaml".to_owned()],
            depth: 5,
            skipped: vec!["vendor".to_owned()],
            never: vec![self.at("never")],
            max_entries: 1_000,
            max_files: 100,
            limit: Duration::from_secs(3600),
        }
    }

    /// The paths below the root, sorted, and the rest of what was found.
    fn walked(&self, find: &Find) -> (Vec<String>, Found) {
        let mut found = walk::find(find, Instant::now(), &AtomicBool::new(false)).unwrap();
        let mut paths: Vec<String> =
            found.files.drain(..).map(|file| file.path.strip_prefix(&self.at("")).unwrap().to_owned()).collect();
        paths.sort();
        (paths, found)
    }
}

#[test]
fn finds_what_is_looked_for() {
    let tree = Tree::new();
    for path in ["compose.yml", "a/compose.yaml", "a/compose.yml", "a/b/c/d/e/compose.yml", "a/other.yml"] {
        tree.file(path, "services: {}");
    }
    for path in ["a/b/c/d/e/f/compose.yml", ".git/compose.yml", "a/vendor/compose.yml", "never/x/compose.yml"] {
        tree.file(path, "");
    }
    tree.file("x/compose.yml/compose.yml", "");
    tree.file("a/never/compose.yml", "");
    let (paths, found) = tree.walked(&tree.find());
    let expected = [
        "a/b/c/d/e/compose.yml",
        "a/compose.yaml",
        "a/compose.yml",
        "a/never/compose.yml",
        "compose.yml",
        "x/compose.yml/compose.yml",
    ];
    assert_eq!(paths, expected);
    assert_eq!(found, Found::default());
    let (paths, _) = tree.walked(&Find { depth: 0, ..tree.find() });
    assert_eq!(paths, ["compose.yml"]);

    let found = walk::find(&Find { depth: 0, ..tree.find() }, Instant::now(), &AtomicBool::new(false)).unwrap();
    let metadata = fs::metadata(tree.at("compose.yml")).unwrap();
    let modified = metadata.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(found.files[0].size, 12);
    assert_eq!(i128::from(found.files[0].modified.as_nanos()), i128::try_from(modified.as_nanos()).unwrap());
}

#[test]
fn follows_no_link_and_opens_nothing_but_files() {
    let (tree, outside) = (Tree::new(), Tree::new());
    outside.file("compose.yml", "outside");
    tree.file("real/compose.yml", "");
    symlink(&outside.root, tree.at("out")).unwrap();
    symlink(&tree.root, tree.at("real/loop")).unwrap();
    symlink(tree.at("real/compose.yml"), tree.at("compose.yml")).unwrap();
    symlink("nowhere", tree.at("compose.yaml")).unwrap();
    fs::create_dir(tree.at("pipe")).unwrap();
    mknodat(CWD, tree.at("pipe/compose.yml"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(tree.at("pipe/compose.yaml")).unwrap();
    assert_eq!(tree.walked(&tree.find()).0, ["real/compose.yml"]);

    let link = |path: &str| FilesError::SymbolicLink { path: tree.at(path) };
    assert_eq!(read(&tree.at("compose.yml"), 9), Err(link("compose.yml")));
    assert_eq!(read(&tree.at("compose.yaml"), 9), Err(link("compose.yaml")));
    assert_eq!(read(&tree.at("out/compose.yml"), 9), Err(link("out")));
    assert_eq!(read(&tree.at("real/loop/real/compose.yml"), 9), Err(link("real/loop")));
    // A pipe without a writer would block whoever opens it otherwise.
    for odd in ["pipe/compose.yml", "pipe/compose.yaml", "pipe", ""] {
        assert!(matches!(read(&tree.at(odd), 9), Err(FilesError::NotRegular { .. })), "{odd}");
    }
    for none in ["none", "none/compose.yml", "real/compose.yml/compose.yml"] {
        assert_eq!(read(&tree.at(none), 9), Err(FilesError::NotFound { path: tree.at(none) }), "{none}");
    }
    let root = Find { root: tree.at("out"), ..tree.find() };
    assert_eq!(walk::find(&root, Instant::now(), &AtomicBool::new(false)), Err(link("out")));
}

#[test]
fn reads_no_more_than_it_may() {
    let tree = Tree::new();
    tree.file("compose.yml", "12345");
    let path = tree.at("compose.yml");
    assert_eq!(read(&path, 5).unwrap(), b"12345");
    assert_eq!(read(&path, 4), Err(FilesError::TooLarge { path: path.clone(), bytes: 5, limit: 4 }));
    // The kernel's files have no size, and go on.
    assert!(matches!(read("/proc/stat", 9), Err(FilesError::TooLarge { bytes: 10, .. })));
    tree.file("bytes", "");
    fs::write(tree.at("bytes"), [0xff, 0]).unwrap();
    assert_eq!(read(&tree.at("bytes"), 9).unwrap(), [0xff, 0]);
}

#[test]
fn names_that_are_no_text_are_counted() {
    let tree = Tree::new();
    let odd = Path::new(&tree.root).join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("compose.yml"), "").unwrap();
    fs::write(Path::new(&tree.root).join(std::ffi::OsStr::from_bytes(b"compose\xff.yml")), "").unwrap();
    let (paths, found) = tree.walked(&tree.find());
    assert_eq!((paths, found.unnameable), (Vec::new(), 1));
    assert_eq!(real_folder(&tree.root).as_deref(), Some(tree.root.as_str()));
    symlink(&odd, tree.at("link")).unwrap();
    assert_eq!(real_folder(&tree.at("link")), None);
    assert_eq!(real_folder(&tree.at("none")), None);
}

#[test]
fn every_bound_ends_a_walk() {
    let tree = Tree::new();
    for number in 0..200 {
        tree.file(&format!("{number}/compose.yml"), "");
    }
    let stopped = |find: Find| tree.walked(&find);
    let (paths, found) = stopped(Find { max_entries: 50, ..tree.find() });
    assert_eq!((paths.len(), found.stopped), (25, Some(WalkBound::Entries)));
    let (paths, found) = stopped(Find { max_files: 7, ..tree.find() });
    assert_eq!((paths.len(), found.stopped), (7, Some(WalkBound::Files)));
    let (paths, found) = stopped(Find { limit: Duration::ZERO, ..tree.find() });
    assert_eq!((paths.len(), found.stopped), (0, Some(WalkBound::Time)));
    let (paths, found) = stopped(Find { max_files: 200, max_entries: 400, ..tree.find() });
    assert_eq!((paths.len(), found.stopped), (200, None), "what just fits is no reason to stop");
    let cancelled = walk::find(&tree.find(), Instant::now(), &AtomicBool::new(true)).unwrap();
    assert_eq!(cancelled.files.len(), 0);
}

#[test]
fn a_folder_that_is_gone_or_closed_does_no_harm() {
    let tree = Tree::new();
    tree.file("closed/compose.yml", "");
    tree.file("open/compose.yml", "");
    rustix::fs::chmod(tree.at("closed"), Mode::empty()).unwrap();
    let (paths, found) = tree.walked(&tree.find());
    if rustix::process::getuid().is_root() {
        // Root reads through every mode.
        assert_eq!(paths.len(), 2);
    } else {
        assert_eq!((paths, found.unreadable), (vec!["open/compose.yml".to_owned()], 1));
    }
    rustix::fs::chmod(tree.at("closed"), Mode::RWXU).unwrap();
    let gone = Find { root: tree.at("gone"), ..tree.find() };
    let error = walk::find(&gone, Instant::now(), &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error, FilesError::NotFound { path: tree.at("gone") });
}

/// Requests whose jobs this test carries out, or lets hang.
fn lanes() -> (Files, [mpsc::UnboundedReceiver<Job>; 2], mpsc::UnboundedReceiver<Input>) {
    let ((walks, walk_jobs), (reads, read_jobs), (inputs, results)) =
        (mpsc::unbounded(), mpsc::unbounded(), mpsc::unbounded());
    (Files { walks, reads, inputs, jobs: BTreeMap::new() }, [walk_jobs, read_jobs], results)
}

#[test]
fn what_hangs_is_not_asked_again() {
    let (mut files, [mut walks, mut reads], mut results) = lanes();
    let resolve = |path: &str| FilesRequest::Resolve { path: path.to_owned() };
    let read = |path: &str| FilesRequest::Read { path: path.to_owned(), limit: 1 };
    files.execute(OpId(1), resolve("/mnt"));
    files.execute(OpId(2), resolve("/mnt"));
    let (hanging, waiting) = (walks.try_recv().unwrap(), walks.try_recv().unwrap());
    hanging.marks.started.store(true, Ordering::Relaxed);
    files.execute(OpId(3), resolve("/mnt"));
    assert!(results.try_recv().is_err(), "it may yet come");
    drop((walks.try_recv().unwrap(), waiting));
    files.cancel(OpId(1));
    files.execute(OpId(4), resolve("/mnt"));
    let Ok(Input::Files { op: OpId(4), result: Err(error) }) = results.try_recv() else { panic!() };
    assert_eq!(error, FilesError::Hanging { path: "/mnt".to_owned() });
    files.execute(OpId(5), resolve("/srv"));
    files.execute(OpId(6), read("/mnt/compose.yml"));
    assert!(walks.try_recv().is_ok() && reads.try_recv().is_ok() && results.try_recv().is_err());
    drop(hanging);
    files.execute(OpId(7), resolve("/mnt"));
    assert!(walks.try_recv().is_ok(), "it has ended after all");

    files.execute(OpId(8), read("/mnt/compose.yml"));
    let hanging = reads.try_recv().unwrap();
    hanging.marks.started.store(true, Ordering::Relaxed);
    files.cancel(OpId(8));
    files.execute(OpId(9), read("/srv/compose.yml"));
    let Ok(Input::Files { op: OpId(9), result: Err(error) }) = results.try_recv() else { panic!() };
    assert_eq!(error, FilesError::Hanging { path: "/mnt/compose.yml".to_owned() }, "there is one thread for files");
    files.cancel(OpId(99));
    assert_eq!(files.jobs.len(), 1);
}
