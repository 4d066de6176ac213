//! Planned layers: known ones, written ones, ones that change under the reader.

use super::*;

fn plan_and<T>(
    library: &Library,
    source: &Source<'_>,
    copy: Copy,
    then: impl FnOnce(Planned<'_>) -> T,
) -> Result<T, FileError> {
    let (scratch, cancel, root) = (tempfile::tempdir().unwrap(), Cancel::new(), Tree::default());
    let cx = FileCx { contents: library, time: TIME, scratch: scratch.path(), cancel: &cancel };
    let inputs = [*source];
    let op = FileOp { actions: vec![FileAction::Copy(Box::new(copy))] };
    resolve(&op, &root, &inputs, &cx).map(then)
}

#[test]
fn a_second_look_reads_nothing() {
    let dir = directory(&["d/a=1", "d/b=2", "d/s/c=3"]);
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for name in ["d/a", "d/b", "d/s/c"] {
        fs_err::OpenOptions::new()
            .write(true)
            .open(dir.path().join(name))
            .unwrap()
            .file()
            .set_modified(old)
            .unwrap();
    }
    // Change times are the machine's: let them settle.
    std::thread::sleep(std::time::Duration::from_millis(80));
    let store = tempfile::tempdir().unwrap();
    let library = Library::default();
    let open = |cache: &StatCache| Context::open(dir.path(), Ignore::default(), cache).unwrap();
    let index = {
        let cache = StatCache::open(Some(store.path()));
        let context = open(&cache);
        let index = plan_and(&library, &Source::Context(&context), copy(&["d"], "/x"), |planned| {
            assert_eq!(planned.known(), None);
            planned.write(&mut io::sink(), None).unwrap()
        })
        .unwrap();
        cache.save();
        index
    };
    let cache = StatCache::open(Some(store.path()));
    let context = open(&cache);
    let known =
        |copy: Copy| plan_and(&library, &Source::Context(&context), copy, |planned| planned.known()).unwrap();
    assert_eq!(known(copy(&["d"], "/x")), Some(index));
    // One file that changed is enough to know nothing, with the same size and time.
    fs_err::write(dir.path().join("d/b"), "9").unwrap();
    fs_err::OpenOptions::new()
        .write(true)
        .open(dir.path().join("d/b"))
        .unwrap()
        .file()
        .set_modified(old)
        .unwrap();
    assert_eq!(known(copy(&["d"], "/x")), None);
    assert!(known(copy(&["d/a"], "/x")).is_some());
}

#[test]
fn hashing_alone_gives_the_same_index() {
    let dir = directory(&["d/a=1", "d/b=", "d/s/c=3", "d/l->a"]);
    let context = context(&dir, &[]);
    let library = Library::default();
    let source = Source::Context(&context);
    let written = plan_and(&library, &source, copy(&["d"], "/x"), |planned| {
        planned.write(&mut io::sink(), None).unwrap()
    });
    let hashed = plan_and(&library, &source, copy(&["d"], "/x"), |mut planned| planned.hash().unwrap());
    assert_eq!(hashed.unwrap(), written.unwrap());
}

#[test]
fn many_files_and_large_ones_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..700 {
        let size = if number % 97 == 0 { 200_000 } else { number };
        fs_err::write(dir.path().join(format!("f{number:04}")), vec![b'x'; size]).unwrap();
    }
    let context = context(&dir, &[]);
    let mut tar = Vec::new();
    let index = plan_and(&Library::default(), &Source::Context(&context), copy(&["."], "/x"), |planned| {
        planned.write(&mut tar, None).unwrap()
    })
    .unwrap();
    assert_eq!(index.entries().len(), 701);
    assert_eq!(unpack(tar.as_slice(), None).unwrap(), index);
}

#[test]
fn cve_2023_0778_files_that_change_are_noticed() {
    for change in ["12", "2", "gone"] {
        let dir = directory(&["a=1"]);
        let context = context(&dir, &[]);
        let error =
            plan_and(&Library::default(), &Source::Context(&context), copy(&["a"], "/x"), |planned| {
                let file = dir.path().join("a");
                // A replaced link must not be followed either (CVE-2023-0778).
                if change == "gone" {
                    fs_err::remove_file(&file).unwrap();
                    symlink("/etc/passwd", &file).unwrap();
                } else {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    fs_err::write(&file, change).unwrap();
                }
                planned.write(&mut io::sink(), None).unwrap_err()
            })
            .unwrap();
        let changed = matches!(error, FileError::Changed(_) | FileError::Image(_));
        assert!(changed, "{change}: {error}");
    }
}

#[test]
fn attributes_of_files_travel() {
    let dir = directory(&["d/a=1"]);
    let file = fs_err::File::open(dir.path().join("d/a")).unwrap();
    let set = rustix::fs::fsetxattr(file.file(), "user.note", b"hi", rustix::fs::XattrFlags::empty());
    if set.is_err() {
        eprintln!("SKIPPED: no user attributes on this file system");
        return;
    }
    fs_err::hard_link(dir.path().join("d/a"), dir.path().join("d/b")).unwrap();
    let context = context(&dir, &[]);
    let index = plan_and(&Library::default(), &Source::Context(&context), copy(&["d"], "/x"), |planned| {
        planned.write(&mut io::sink(), None).unwrap()
    })
    .unwrap();
    for name in ["/x/a", "/x/b"] {
        let meta = &index.get(&path(name)).unwrap().meta;
        assert_eq!(meta.xattrs, [(b"user.note".to_vec(), b"hi".to_vec())], "{name}");
    }
}

#[test]
fn components_name_the_sources() {
    let dir = directory(&["a=1", "d/b=2"]);
    let context = context(&dir, &[]);
    let shown =
        plan_and(&Library::default(), &Source::Context(&context), copy(&["a", "d"], "/x/"), |planned| {
            let index = planned.write(&mut io::sink(), None).unwrap();
            planned
                .components(&index)
                .iter()
                .map(|part| format!("{}: {}", part.name, part.shown))
                .collect::<Vec<_>>()
        })
        .unwrap();
    assert_eq!(shown, ["directories on the way: 1 entry", "source `a`: 1 entry", "source `d`: 1 entry"]);
}

#[test]
fn cancelled_work_stops() {
    let dir = directory(&["a=1"]);
    let context = context(&dir, &[]);
    let (library, scratch, cancel, root) =
        (Library::default(), tempfile::tempdir().unwrap(), Cancel::new(), Tree::default());
    cancel.cancel();
    let cx = FileCx { contents: &library, time: TIME, scratch: scratch.path(), cancel: &cancel };
    let inputs = [Source::Context(&context)];
    let op = FileOp { actions: vec![FileAction::Copy(Box::new(copy(&["a"], "/x")))] };
    assert!(matches!(resolve(&op, &root, &inputs, &cx), Err(FileError::Cancelled(_))));
}
