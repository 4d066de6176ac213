//! Several processes at once.

use std::io::{Read, Write};

use imgc_store::{Policy, Store};

use crate::support::*;

const STEPS: usize = 25;
const PROCESSES: usize = 3;

/// One of several equal processes: runs all steps that no other has run, and names images.
fn work(dir: &str, log: &str, number: usize) {
    let store = Store::open(dir.as_ref()).unwrap();
    let mut out = std::fs::File::options().append(true).create(true).open(log).unwrap();
    for at in 0..STEPS {
        let text = format!("step-{at}");
        let lock = store.lock_step(&key(&text), &never()).unwrap();
        if store.step(&key(&text)).unwrap().is_none() {
            writeln!(out, "{text}").unwrap();
            run_step(&store, &text);
        }
        drop(lock);
        let layer = store.step(&key(&text)).unwrap().expect("it was just stored").layer.unwrap();
        put_blob(&store, text.as_bytes());
        let image = image(&store, &layer_tar(&[("f", b"same")]));
        store.tag(&name(&format!("app:{number}-{at}")), &image).unwrap();
        store.tag(&name("app:latest"), &image).unwrap();
        // Everything used stays, whatever is collected meanwhile.
        assert!(store.has_tree(&layer));
        assert!(store.ensure_blob(&layer, gzip()).is_ok());
    }
}

fn run(with_collector: bool) -> (Fixture, Vec<String>) {
    let f = Fixture::new();
    let dir = f.store.dir().to_str().unwrap().to_owned();
    let log = f.dir.path().join("log");
    let mut children: Vec<_> = (0..PROCESSES)
        .map(|number| {
            let arguments = [dir.as_str(), log.to_str().unwrap(), &number.to_string()];
            child("race::equal_steps_run_once", &arguments).spawn().unwrap()
        })
        .collect();
    if with_collector {
        let all = Policy { all: true, ..Policy::default() };
        while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
            f.again().gc(&all).unwrap();
        }
    }
    for mut child in children {
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
    }
    let mut ran: Vec<String> = fs_err::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    ran.sort();
    (f, ran)
}

#[test]
fn equal_steps_run_once() {
    if let Some(role) = role() {
        return work(&role[0], &role[1], role[2].parse().unwrap());
    }
    let (f, ran) = run(false);
    let mut expected: Vec<String> = (0..STEPS).map(|at| format!("step-{at}")).collect();
    expected.sort();
    assert_eq!(ran, expected, "each step ran exactly once");
    let store = f.again();
    assert_eq!(store.images().unwrap().len(), PROCESSES * STEPS + 1, "no name was lost");
    assert_eq!(store.verify(imgc_store::Depth::Full).unwrap().problems, []);
    assert_eq!(fs_err::read_dir(f.at("locks")).unwrap().count(), 1, "only the collector's lock file stays");
}

#[test]
fn collecting_takes_nothing_from_the_living() {
    let (f, ran) = run(true);
    assert!(ran.len() >= STEPS);
    assert_eq!(f.again().images().unwrap().len(), PROCESSES * STEPS + 1);
    assert_eq!(f.again().verify(imgc_store::Depth::Full).unwrap().problems, []);
}

#[test]
fn threads_share_a_store() {
    let f = Fixture::new();
    let ran = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for at in 0..20 {
                    let text = format!("{at}");
                    let _lock = f.store.lock_step(&key(&text), &never()).unwrap();
                    if f.store.step(&key(&text)).unwrap().is_none() {
                        run_step(&f.store, &text);
                        ran.lock().unwrap().push(at);
                    }
                }
            });
        }
    });
    let mut ran = ran.into_inner().unwrap();
    ran.sort_unstable();
    assert_eq!(ran, (0..20).collect::<Vec<_>>());
}
