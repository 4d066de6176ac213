//! kill -9 at any moment: the store is the old or the new one, and whole.

use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use imgc_store::{Depth, Store};

use crate::support::*;

/// Rounds of killing.
const ROUNDS: u64 = 24;
/// Rounds in one store: checking it takes longer the more it holds.
const ROUNDS_OF_A_STORE: u64 = 6;

/// The process that is killed: stores without an end, and says what is done.
fn work(dir: &str, seed: u64) -> ! {
    let store = Store::open(dir.as_ref()).unwrap();
    for round in 0u64.. {
        let build = store.begin_build().unwrap();
        let text = format!("{seed}-{round}");
        let diff_id = run_step(&store, &text);
        let blob = bytes(seed * 1000 + round, 1 + (round as usize * 7919) % 60_000);
        let digest = put_blob(&store, &blob);
        let whole = imgc_base::BlobDigest::of(&bytes(seed, 5000));
        let mut partial = store.resume_blob(&whole, 1 << 20).unwrap();
        partial.write_all(&blob).unwrap();
        drop(partial);
        store.ensure_blob(&diff_id, gzip()).unwrap();
        let image = image(&store, &layer_tar(&[("f", text.as_bytes())]));
        store.tag(&name(&format!("app:{seed}-{round}")), &image).unwrap();
        store.tag(&name("app:latest"), &image).unwrap();
        store.put_memo("last", &text).unwrap();
        // A sync of a whole file system takes as long as others make it take.
        if round % 8 == 7 {
            build.finish().unwrap();
        }
        println!("\ndone {text} {digest}");
    }
    unreachable!("it is killed");
}

#[test]
fn killed_at_any_moment() {
    if let Some(role) = role() {
        work(&role[0], role[1].parse().unwrap());
    }
    let mut f = Fixture::new();
    let mut done = 0;
    for seed in 0..ROUNDS {
        if seed % ROUNDS_OF_A_STORE == 0 {
            f = Fixture::new();
        }
        let dir = f.store.dir().to_str().unwrap().to_owned();
        let mut child = child("crash::killed_at_any_moment", &[&dir, &seed.to_string()]).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, said) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok).filter(|line| line.starts_with("done ")) {
                sender.send(line).unwrap();
            }
        });
        // After up to two whole rounds of its work, and then somewhere within the next.
        let mut lines: Vec<String> = (0..seed % 3).map_while(|_| said.recv().ok()).collect();
        std::thread::sleep(Duration::from_micros(seed * 7919 % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
        lines.extend(said);

        let store = f.again();
        let report = store.verify(Depth::Full).unwrap();
        assert_eq!(report.problems, [], "seed {seed}");
        let left = fs_err::read_dir(f.at("tmp")).unwrap().count();
        assert_eq!(left, 0, "the dead process left files");
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(store.has_blob(&words[2].parse().unwrap()), "{line}");
            let image = store.find(&name(&format!("app:{}", words[1]))).unwrap();
            assert!(image.is_some(), "{line} was said, but is not there");
            assert!(store.step(&key(words[1])).unwrap().is_some(), "{line}");
            done += 1;
        }
    }
    assert!(done > 0, "no round was long enough to store anything");
}
