//! The bytes of format 1, pinned: no digest here changes within the format (`spec/reproducibility.md`).
//!
//! A change that fails this test is a new format version, not a new constant.

use imgc_base::config::ImageConfig;
use imgc_base::digest::{BlobDigest, FileDigest};
use imgc_base::path::ImagePath;
use imgc_image::compress::Compression;
use imgc_image::manifest::{Descriptor, Index, Manifest, PlatformDoc, media};
use imgc_image::output::{DockerImage, write_docker_archive, write_layout_archive, write_root_tar};
use imgc_image::scan::{self, StepClock};
use imgc_image::tree::Tree;
use imgc_image::{Entry, Kind, LayerIndex, Meta, flatten, layout, merge};

use crate::outputs::image;
use crate::support::{Memory, compressed, entry, path, tar};

type Case = (String, String);

/// One entry with everything at zero but the kind and what `change` sets.
fn one(name: &str, kind: Kind, change: impl FnOnce(&mut Meta)) -> Entry {
    let mut meta = Meta { mode: 0o644, ..Meta::default() };
    change(&mut meta);
    Entry { path: path(name), kind, meta }
}

fn file(content: &[u8]) -> Kind {
    Kind::File { size: content.len() as u64, digest: FileDigest::of(content) }
}

/// Entries that each show one rule of the writer.
fn entries() -> Vec<(&'static str, Entry, Vec<u8>)> {
    let empty = || file(b"");
    let long = "long/".repeat(30) + "name";
    let big = vec![7; 70_000];
    let plain = |_: &mut Meta| {};
    let xattr = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
    let with = |name, kind, change: &dyn Fn(&mut Meta)| (one(name, kind, change), Vec::new());
    let table: Vec<(&'static str, (Entry, Vec<u8>))> = vec![
        ("empty file", with("f", empty(), &plain)),
        ("file", (one("f", file(b"hello"), plain), b"hello".to_vec())),
        ("file of exactly a block", (one("f", file(&[1; 512]), plain), vec![1; 512])),
        ("file of many blocks", (one("f", file(&big), plain), big.clone())),
        ("directory", with("d", Kind::Dir { opaque: false }, &|m| m.mode = 0o1777)),
        ("opaque directory", with("d", Kind::Dir { opaque: true }, &|m| m.mode = 0o755)),
        ("symbolic link", with("l", Kind::Symlink { target: b"../t".to_vec() }, &|m| m.mode = 0o777)),
        ("hard link", with("h", Kind::Hardlink { to: path("a/first") }, &plain)),
        ("character device", with("c", Kind::Char { major: 1, minor: 3 }, &plain)),
        ("block device", with("b", Kind::Block { major: 8, minor: 1_048_575 }, &plain)),
        ("pipe", with("p", Kind::Fifo, &plain)),
        ("whiteout", with("a/gone", Kind::Whiteout, &|m| *m = Meta::default())),
        ("set-id bits", with("f", empty(), &|m| m.mode = 0o6755)),
        ("owner in octal", with("f", empty(), &|m| (m.uid, m.gid) = (0o7_777_777, 65_534))),
        ("owner in pax", with("f", empty(), &|m| (m.uid, m.gid) = (0o10_000_000, 4_294_967_294))),
        ("time in octal", with("f", empty(), &|m| m.mtime = 0o77_777_777_777)),
        ("late time in pax", with("f", empty(), &|m| m.mtime = 0o100_000_000_000)),
        ("time before 1970 in pax", with("f", empty(), &|m| m.mtime = -1)),
        ("name of 100 bytes", with(&"n".repeat(100), empty(), &plain)),
        ("name of 101 bytes in pax", with(&"n".repeat(101), empty(), &plain)),
        ("directory whose slash needs pax", with(&"n".repeat(100), Kind::Dir { opaque: false }, &plain)),
        ("deep name in pax", with(&long, empty(), &plain)),
        ("target of 101 bytes in pax", with("l", Kind::Symlink { target: vec![b't'; 101] }, &plain)),
        ("name that is no UTF-8", {
            let (entry, content) = with("f", empty(), &plain);
            (Entry { path: ImagePath::strict(b"\xff\xfe").unwrap(), ..entry }, content)
        }),
        ("capability", {
            let value = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            with("f", empty(), &|m| m.xattrs = vec![xattr("security.capability", &value)])
        }),
        ("two attributes", {
            let set = |m: &mut Meta| m.xattrs = vec![xattr("user.a", b"1\n2"), xattr("user.b", &[0, 255])];
            with("f", empty(), &set)
        }),
        ("everything in pax", {
            let set = |m: &mut Meta| {
                (m.uid, m.gid, m.mtime) = (3_000_000, 3_000_001, -86_400);
                m.xattrs = vec![xattr("user.x", b"y")];
            };
            with(&long, Kind::Symlink { target: vec![b'x'; 300] }, &set)
        }),
    ];
    table.into_iter().map(|(what, (entry, content))| (what, entry, content)).collect()
}

/// What a step left, with times inside files that move with it.
fn step() -> (Vec<u8>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs_err::create_dir_all(at("d/share/doc")).unwrap();
    let member = format!("!<arch>\n{:<16}{:<12}0     0     100644  2         `\nab", "a.o/", 1_900_000_001);
    let header = [3495u32, 0, 1_900_000_000, 5].map(u32::to_le_bytes).concat();
    let gzip = [&[0x1f, 0x8b, 8, 0], &1_900_000_000u32.to_le_bytes()[..], b"\0\x03rest"].concat();
    for (name, content) in [
        ("d/m.py", b"x = 1".to_vec()),
        ("d/m.pyc", header),
        ("d/lib.a", member.into_bytes()),
        ("d/share/doc/log.gz", gzip),
        ("d/old", b"data".to_vec()),
        ("d/ahead", b"of the step's time".to_vec()),
    ] {
        fs_err::write(at(name), content).unwrap();
    }
    fs_err::hard_link(at("d/old"), at("again")).unwrap();
    std::os::unix::fs::symlink("d", at("link")).unwrap();
    for (name, time) in [
        ("d/m.py", 0),
        ("d/m.pyc", 1),
        ("d/lib.a", 1),
        ("d/share/doc/log.gz", 0),
        ("d/old", -200_000_000),
        ("d/ahead", -99),
        ("d/share/doc", 2),
        ("d/share", 2),
        ("d", 2),
    ] {
        fs_err::set_permissions(at(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let file = std::fs::File::open(at(name)).unwrap();
        imgc_image::rooted::set_time(std::os::fd::AsFd::as_fd(&file), 1_900_000_000 + time).unwrap();
    }
    let root = imgc_image::Root::open(dir.path()).unwrap();
    let clock = StepClock { start: (1_900_000_000, 0), time: 1_767_139_201 };
    let mut entries = scan::changes(&root, &Tree::default(), clock).unwrap().entries;
    for entry in &mut entries {
        // The user who tests, and the time of a link, are the machine's.
        (entry.meta.uid, entry.meta.gid) = (0, 0);
        if matches!(entry.kind, Kind::Symlink { .. }) {
            entry.meta.mtime = 0;
        }
    }
    let mut tar = Vec::new();
    let index = scan::write_layer(&root, entries, &mut tar).unwrap();
    (tar, index.encode())
}

/// A config with every field that is written.
fn every_field() -> ImageConfig {
    let text = r#"{"created":"2026-01-01T00:00:00Z","author":"a","architecture":"arm64","variant":"v8","os":"linux",
        "config":{"User":"1:2","ExposedPorts":{"80/tcp":{},"53/udp":{}},"Env":["PATH=/bin","A="],"Entrypoint":["/e"],
        "Cmd":["c","d"],"Volumes":{"/v":{}},"WorkingDir":"/w","Labels":{"b":"2","a":"1"},"StopSignal":"SIGINT",
        "Shell":["/bin/sh","-c"],"OnBuild":["RUN x"],
        "Healthcheck":{"Test":["CMD","t"],"Interval":1000000000,"Retries":3}},
        "rootfs":{"type":"layers","diff_ids":["sha256:cabf331d2e074b1f44b8ffb9444378105bf2de3b1e3b305d902cf16b6f14b5a1"]},
        "history":[{"created":"2026-01-01T00:00:00Z","created_by":"RUN x","comment":"c"},{"created_by":"CMD","empty_layer":true}]}"#;
    serde_json::from_str(text).unwrap()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |what: String, bytes: &[u8]| cases.push((what, BlobDigest::of(bytes).hex()));
    for (what, entry, content) in entries() {
        add(format!("layer: {what}"), &tar(&[(entry, content)]));
    }
    add("layer: nothing".into(), &tar(&[]));
    let lines = [
        "d a",
        "f a/x one",
        "h a/y a/x",
        "d a-b",
        "l a.c a/x",
        "o b",
        "f b/new two",
        "w c",
        "d d",
        "w d/e",
        "p e",
        "c f",
    ];
    let many: Vec<_> = lines.iter().map(|line| entry(line)).collect();
    let layer = tar(&many);
    add("layer: many entries".into(), &layer);
    let index = LayerIndex::new(many.into_iter().map(|(entry, _)| entry).collect());
    add("index: many entries".into(), &index.encode());
    let everything: Vec<Entry> = entries()
        .into_iter()
        .enumerate()
        .map(|(at, (_, entry, _))| Entry { path: path(&format!("{at:02}")), ..entry })
        .collect();
    add("index: every kind".into(), &LayerIndex::new(everything.clone()).encode());
    add("index: nothing".into(), &LayerIndex::default().encode());

    let text: Vec<u8> =
        (0..200_000u64).flat_map(|n| format!("line {}\n", n * n % 9973).into_bytes()).collect();
    for (what, bytes) in [("nothing", &b""[..]), ("a layer", &layer), ("two blocks of text", &text)] {
        for compression in [Compression::Gzip, Compression::Zstd] {
            add(format!("{}: {what}", compression.name()), &compressed(compression, bytes));
        }
    }

    let block: Vec<u8> = (0..1_048_577u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (what, bytes) in [("exactly a block", &block[..1_048_576]), ("a block and a byte", &block[..])] {
        for compression in [Compression::Gzip, Compression::Zstd] {
            add(format!("{}: {what}", compression.name()), &compressed(compression, bytes));
        }
    }

    let (layer, index) = step();
    add("step: layer".into(), &layer);
    add("step: index".into(), &index);
    for (what, config) in
        [("config: every field", every_field()), ("config: nothing", ImageConfig::default())]
    {
        add(what.into(), &serde_json::to_vec(&config).unwrap());
    }

    let config = Descriptor::new(media::CONFIG, BlobDigest::of(b"config"), 6);
    let mut described = Descriptor::new(Compression::Zstd.media_type(), BlobDigest::of(b"layer"), 5);
    described.annotations.insert("b".into(), "2".into());
    described.annotations.insert("a".into(), "1".into());
    described.platform = Some(PlatformDoc {
        architecture: "arm".into(),
        os: "linux".into(),
        variant: Some("v7".into()),
        os_version: None,
    });
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers: vec![described.clone()],
        subject: None,
        annotations: [("k".to_owned(), "v".to_owned())].into(),
    };
    add("manifest".into(), &serde_json::to_vec(&manifest).unwrap());
    let index = Index { manifests: vec![described], ..layout::empty_index() };
    add("index of images".into(), &serde_json::to_vec(&index).unwrap());
    add("oci-layout".into(), &layout::marker());

    let mut memory = Memory::default();
    let (descriptor, layers) = image(&mut memory);
    add("manifest of an image".into(), &memory.blobs[&descriptor.digest]);
    let mut out = Vec::new();
    write_layout_archive(&mut out, &[(Some("v1".into()), descriptor.clone())], &memory).unwrap();
    add("OCI archive".into(), &out);
    let mut out = Vec::new();
    let images = [DockerImage { manifest: descriptor, tags: vec!["app:v1".into(), "b".into()] }];
    write_docker_archive(&mut out, &images, &memory).unwrap();
    add("docker archive".into(), &out);
    let mut out = Vec::new();
    let tree = Tree::new(layers);
    write_root_tar(&tree, &memory, &mut out).unwrap();
    add("root tar".into(), &out);
    let mut out = Vec::new();
    let merged = merge::merge(&Tree::new(tree.layers()[..1].to_vec()), &tree.layers()[1..]).unwrap();
    merge::write(&merged, &memory, &mut out).unwrap();
    add("merged layer".into(), &out);
    cases.push(("certificate".into(), flatten::live(&tree).hex()));
    let every = LayerIndex::new(
        everything.into_iter().filter(|e| !matches!(e.kind, Kind::Hardlink { .. })).collect(),
    );
    cases.push(("certificate of every kind".into(), flatten::certificate([&every].into_iter()).hex()));
    cases
}

#[test]
fn format_1_digests() {
    let now = cases();
    let lines: Vec<String> =
        now.iter().map(|(what, digest)| format!("    (\"{what}\", \"{digest}\"),")).collect();
    let shown = lines.join(
        "
",
    );
    let pinned: Vec<Case> = GOLDEN.iter().map(|(what, digest)| ((*what).into(), (*digest).into())).collect();
    for (now, then) in now.iter().zip(&pinned) {
        assert_eq!(now, then, "now it would be:\n{shown}");
    }
    assert_eq!(now.len(), pinned.len(), "now it would be:\n{shown}");
}

/// The same bytes again in a pool of another size.
#[test]
fn threads_do_not_matter() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    assert_eq!(pool(1).install(cases), pool(5).install(cases));
}

const GOLDEN: &[(&str, &str)] = &[
    ("layer: empty file", "9833827d15e112a6434213956ca118c76ca719057b5be7f6a649c61f2df99d39"),
    ("layer: file", "cabf331d2e074b1f44b8ffb9444378105bf2de3b1e3b305d902cf16b6f14b5a1"),
    ("layer: file of exactly a block", "00125d419f3c43b1cc5d8b95f46f65ac69e14e2fb97e1c0266619951e4fc7bac"),
    ("layer: file of many blocks", "d45ecc0dcb819294ee3fd0005a38c907713a72fa4d8ea77df5175f781b8a2d82"),
    ("layer: directory", "80bd9c9d5431b852c3c5341b190569a9b7efea490a3b315498a39e097fd461e4"),
    ("layer: opaque directory", "9caa68b31a4eebdd07cb0e12f1e14b599ffab493c921070373de1563112f20be"),
    ("layer: symbolic link", "893a141736315354c4606a0f86de11dbed5cd8fc846ee92309597e4c12b6b22f"),
    ("layer: hard link", "3487e556ef327a8a05bd97d0f9d614c366980620a0e23056eb972d2d42de18bd"),
    ("layer: character device", "fb8144934f04bbd0a0ffad4864a17ac66a3a323efb51da9168c3ce1d5368ada3"),
    ("layer: block device", "63565b925b6c216fc558a406054ef26aca7971e85106f16a15bdcf4bf6f47b50"),
    ("layer: pipe", "c4a170e0c24299745b9927e80bad1f57a43db03225fa103dfdc4a58a08f071c6"),
    ("layer: whiteout", "3cb4830273ea2fc8b762bf1b760863e463252d8067ad8792ff0f0469a287b0cd"),
    ("layer: set-id bits", "2aa03ab0d3430bae8a8eb431fef12cb57bfcce96c76a299c6ef8cf2fa1ff08ee"),
    ("layer: owner in octal", "5299bf59390cd12ab43affb645dd7c8b312918c227d62cd3e9d49703f52bdc04"),
    ("layer: owner in pax", "e490e619660fd42e73bdd7393b97cf1f1a633b19e05f306a413fe95ab2ee815c"),
    ("layer: time in octal", "9005c5b3eb385039db20ea4c6f21489b25cd95d9691d73bb8621e01ea25aaed8"),
    ("layer: late time in pax", "2d09de6ea9cd84c50f7b80748dc4ce247faed19f3c0f08ade0a1ea4c50f1bcd0"),
    ("layer: time before 1970 in pax", "a07076ee602d0eb6bbe5aa9047d9065d4c160af25130c1144d94e4499d7624ab"),
    ("layer: name of 100 bytes", "46eecfec7dd5d431a58783d7952d85f823dd1196f5458432b1fc21ca23a93da1"),
    ("layer: name of 101 bytes in pax", "fd61e3565571a55885158a8b33b0bcf5eebab48f5e739dc8952266647f40b758"),
    (
        "layer: directory whose slash needs pax",
        "99ab9efb241129c75809dd6d5bf88ad5ecf106655c16498b6ebb8717d07cb07f",
    ),
    ("layer: deep name in pax", "8e652758313907a95d98e9128641bef0bd1e537ba5e7c217fa145ccfbfacecd1"),
    ("layer: target of 101 bytes in pax", "f21042bdcaded68c1301dbc70ecd4d64cd0d390d46aedf72693b7ba881333578"),
    ("layer: name that is no UTF-8", "03a73b39a5c78be3acf1e83af497ee7ff504d847775d45125c231e3c23b558b9"),
    ("layer: capability", "e11cbbb3686ea8063675f7094240b4fb3ccd737866a2f8ccb4aa6757e5a36441"),
    ("layer: two attributes", "26e7cabf48cb6521647f15276885f0e5e9c87c2e37a7231965ccb1b370ffc140"),
    ("layer: everything in pax", "6a0b65ae4f8c9eb89b6994c0517da6550e6749efdd213f7c9061586f60fcf06f"),
    ("layer: nothing", "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"),
    ("layer: many entries", "c5b2c22dabbe9f034f75db42720536ccb0c747ba5c9bdb20ea9b62f8c7c082e0"),
    ("index: many entries", "384114db72eb47390352124b92e721393d0fcbdf8f64fa21c7ad604d1592fbf2"),
    ("index: every kind", "3e40e105c1552067a5b62b3105533387a3c945494905cd6c14ca69493df1ac2f"),
    ("index: nothing", "8f3a6b2e5cc877ab3eec6f13ca537966c91703bb5133b3d76022c0ca52c0a0aa"),
    ("gzip: nothing", "30e6fa98fb48c2b132824d1ac5e2243c0be9e9082ff32598d34d7687ca7f6c7f"),
    ("zstd: nothing", "f96deff1816083fdff8bc3e46c3fe6ca46a6bb49f4d5a00627616c13237a512c"),
    ("gzip: a layer", "c4db08b4514f992afe1cc59f135ee8c1e89607558f92f8844f6ef1aafd77f74c"),
    ("zstd: a layer", "317a11cd5c4af1f64b9971ea576beefcd9b010507572ce00348e434f1a20b66e"),
    ("gzip: two blocks of text", "35de09bf42e3446995095148ad03dfb21dc2848520d5264057a3e38946090be4"),
    ("zstd: two blocks of text", "1a3184026fa81ec2d40bfcc28ad6282126af090d09b415d553033f4f00ee2d79"),
    ("gzip: exactly a block", "a5d57327b3bf51428cecc10107bb0f16bdd53a50265aa3c5f4b53b3e8dba1141"),
    ("zstd: exactly a block", "de678f4317be66f61647267a03fef3bfffb94bbbc0fcf8be4fe320462e23e3d9"),
    ("gzip: a block and a byte", "bb3b4fd67d315dd5243ace5fa9ecb5260f566f2f5a8500a914a7e59bdf2e28a3"),
    ("zstd: a block and a byte", "fe8e25246f7830c7540d23159a34c4e3032017dac6b5c9a4497760e252d760fd"),
    ("step: layer", "c11d3f6756eb4dd6d7bd03591a20a6fd630537600c98bb4dc59ea24448750f7e"),
    ("step: index", "bdcc99a72900a7a3acd9189e4578d7a0ebc92f7ba9050b8de3425731a49f0ac2"),
    ("config: every field", "6b5bbdeb611b395d22683757707787688ba2bbf6365f4287fdb62f98edd4738f"),
    ("config: nothing", "1475e1cf0118aa3ddadbc8ae05cd5d5e151b63784e1e062de226e70fced50a0f"),
    ("manifest", "a8b2afd022043fc56121bf8ce0e56507f59a70bcc6f376ddbdd07f736af02088"),
    ("index of images", "37d4e8d336f2e861b1abdcd4fbc2be1e6a87e9b08d98b68fd0e0b1d6ba6ef915"),
    ("oci-layout", "18f0797eab35a4597c1e9624aa4f15fd91f6254e5538c1e0d193b2a95dd4acc6"),
    ("manifest of an image", "a6efa9aefba21b2b811df2777ef9ce98dcbef1e375b379f819ee0a0ede386461"),
    ("OCI archive", "9f4b2e66fa131531e8bdd6e068dfd7f2ef744ae3a5e77bb91526efd894d2605d"),
    ("docker archive", "e8994f95113709ef27508d2bdae29706e6134a9846427a6cf3f2ffc435e57c74"),
    ("root tar", "a02a02a7f678c14f6a9c10e21d8fa364a2affe4d696f8fbe596e77024f30b936"),
    ("merged layer", "ff8191be314faab3376a1773d6e1b83e76cde52ef5811b260dc24f7fb619e7fc"),
    ("certificate", "d2eaea4ae09e7b197c083d78a183183607421139cec231012b36fe55be79d13f"),
    ("certificate of every kind", "f275d8add666c928b8a144dd926bf43330d7cc14e22a98146ebb233c48d60bea"),
];
