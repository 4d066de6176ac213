//! Looks for a secret in everything that the program left: names and bytes of files, inside of archives and compressed
//! streams too.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

/// How deep archives lie within each other.
const DEPTH: usize = 5;

/// The forms in which a secret could show: itself, base64 at each place in a group (both alphabets), hexadecimal.
pub fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![("plain", secret.to_vec())];
    for skip in 0..3 {
        let groups = (secret.len() - skip) / 3 * 3;
        let text = base64(&secret[skip..skip + groups]);
        forms.push(("base64", text.clone().into_bytes()));
        forms.push(("base64 for addresses", text.replace('+', "-").replace('/', "_").into_bytes()));
    }
    let mut hex = String::new();
    for byte in secret {
        let _ = write!(hex, "{byte:02x}");
    }
    forms.push(("upper hexadecimal", hex.to_uppercase().into_bytes()));
    forms.push(("hexadecimal", hex.into_bytes()));
    forms
}

/// What of a secret is in some bytes.
pub fn in_bytes(name: &str, bytes: &[u8], secret: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    look(name, bytes, &forms(secret), DEPTH, &mut found);
    found
}

/// What of a secret is in a directory, but for the files and directories whose paths end as given.
pub fn in_dir(dir: &Path, except: &[&str], secret: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    walk(dir, except, &forms(secret), &mut found);
    found
}

fn walk(dir: &Path, except: &[&str], forms: &[(&str, Vec<u8>)], found: &mut Vec<String>) {
    for entry in fs_err::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        let path = entry.path();
        if except.iter().any(|end| path.ends_with(end)) {
            continue;
        }
        let name = path.to_string_lossy().into_owned();
        look(&format!("the name of {name}"), name.as_bytes(), forms, 0, found);
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            walk(&path, except, forms, found);
        } else if kind.is_symlink() {
            let target = fs_err::read_link(&path).expect("a link");
            look(&name, target.to_string_lossy().as_bytes(), forms, 0, found);
        } else if kind.is_file() {
            look(&name, &fs_err::read(&path).expect("a file"), forms, DEPTH, found);
        }
    }
}

fn look(name: &str, bytes: &[u8], forms: &[(&str, Vec<u8>)], depth: usize, found: &mut Vec<String>) {
    for (form, text) in forms {
        if memchr::memmem::find(bytes, text).is_some() {
            found.push(format!("{name}: {form}"));
        }
    }
    if depth == 0 {
        return;
    }
    if imgc_image::decompress::is_compressed(bytes) {
        let mut plain = Vec::new();
        if imgc_image::decompress::archive(bytes).is_ok_and(|mut from| from.read_to_end(&mut plain).is_ok()) {
            look(&format!("{name} (decompressed)"), &plain, forms, depth - 1, found);
        }
    } else if bytes.get(257..262) == Some(b"ustar") {
        let mut archive = tar::Archive::new(bytes);
        for entry in archive.entries().expect("an archive").flatten() {
            let mut entry = entry;
            let inside = format!("{name}:{}", entry.path().expect("a path").display());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("an entry");
            // What is plain was already seen in the archive.
            if imgc_image::decompress::is_compressed(&content) {
                look(&inside, &content, forms, depth - 1, found);
            }
        }
    }
}

/// Standard base64 of whole groups.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks_exact(3) {
        let number = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for shift in [18, 12, 6, 0] {
            out.push(char::from(ALPHABET[(number >> shift & 63) as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_in_every_place() {
        let secret = b"correct horse battery";
        for (form, text) in forms(secret) {
            let bytes = [b"before ", text.as_slice(), b" after"].concat();
            assert!(!in_bytes("x", &bytes, secret).is_empty(), "{form}");
        }
        for before in ["", "u", "us", "user:"] {
            let text = format!("{before}correct horse battery");
            let padded = format!("{text}{}", &"   "[..(3 - text.len() % 3) % 3]);
            assert!(!in_bytes("x", base64(padded.as_bytes()).as_bytes(), secret).is_empty(), "{before}");
        }
        let mut inner = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(secret.len() as u64);
        inner.append_data(&mut header, "file", secret.as_slice()).unwrap();
        let mut writer =
            imgc_image::compress::Compressor::new(imgc_image::Compression::Gzip, Vec::new()).unwrap();
        std::io::Write::write_all(&mut writer, &inner.into_inner().unwrap()).unwrap();
        let layer = writer.finish().unwrap();
        assert!(!in_bytes("layer", &layer, secret).is_empty());
        let mut outer = tar::Builder::new(Vec::new());
        header.set_size(layer.len() as u64);
        outer.append_data(&mut header, "blobs/layer", layer.as_slice()).unwrap();
        assert!(!in_bytes("archive", &outer.into_inner().unwrap(), secret).is_empty());
        assert!(in_bytes("x", b"correct horse batter", secret).is_empty());
    }
}
