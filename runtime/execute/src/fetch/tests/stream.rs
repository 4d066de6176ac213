//! Contexts that come as streams.

use imgc_base::cancel::Cancel;
use imgc_base::path::ImagePath;
use imgc_image::tar_write::LayerWriter;
use imgc_image::{Entry, Kind, Meta};

use super::super::{Delivered, stream};
use super::place;

fn tar(names: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new());
    for (name, content) in names {
        let digest = imgc_base::FileDigest::of(b"");
        let kind = Kind::File { size: content.len() as u64, digest };
        let meta = Meta { mode: 0o644, uid: 5, gid: 5, mtime: 1, xattrs: Vec::new() };
        let entry = Entry { path: ImagePath::clean(name).unwrap(), kind, meta };
        writer.entry_with(&entry, content.as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn an_archive_is_a_context() {
    let place = place();
    let bytes = tar(&[("Dockerfile", "FROM scratch"), ("src/a", "1")]);
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    std::io::Write::write_all(&mut bzip2, &bytes).unwrap();
    for bytes in [bytes, bzip2.finish().unwrap()] {
        let Delivered::Context(context) =
            stream(&place.store, "stdin", bytes.as_slice(), &Cancel::new()).unwrap()
        else {
            panic!("no context");
        };
        let dir = context.dir().to_owned();
        let names: Vec<String> = context
            .below(1, &ImagePath::root())
            .unwrap()
            .iter()
            .map(|item| format!("{} {}:{}", item.path, item.meta.uid, item.meta.gid))
            .collect();
        assert_eq!(names, ["/Dockerfile 0:0", "/src 0:0", "/src/a 0:0"]);
        drop(context);
        assert!(!dir.exists(), "the directory goes with the context");
    }
}

#[test]
fn anything_else_is_a_build_file() {
    let place = place();
    for text in ["FROM scratch\n", ""] {
        let Delivered::Text(got) = stream(&place.store, "stdin", text.as_bytes(), &Cancel::new()).unwrap()
        else {
            panic!("no text");
        };
        assert_eq!(got, text.as_bytes());
    }
}

#[test]
fn broken_and_stopped_streams() {
    let place = place();
    let mut bytes = tar(&[("a", "0123456789")]);
    bytes.truncate(700);
    assert!(stream(&place.store, "stdin", bytes.as_slice(), &Cancel::new()).is_err());
    let stopped = Cancel::new();
    stopped.cancel();
    assert!(stream(&place.store, "stdin", &b"FROM scratch"[..], &stopped).is_err());
}
