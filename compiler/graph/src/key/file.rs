//! The canonical form of file actions.

use imgc_base::canonical::KeyBuilder;

use super::encode::{self, Encoder};
use crate::file::{Chmod, Copy, FileAction, FileOp, OwnerSpec, Unpack};

/// Adds what file actions do, in order. Not what the copied files hold: that is in the keys of the inputs.
pub fn file_components(file: &FileOp, key: &mut KeyBuilder) {
    key.add("actions", &(file.actions.len() as u64).to_le_bytes(), file.actions.len().to_string());
    for (number, action) in file.actions.iter().enumerate() {
        // The usual step has one action and needs no numbers.
        let part = |name: &str| if number == 0 { name.to_owned() } else { format!("{name} {}", number + 1) };
        match action {
            FileAction::Copy(copy) => copy_components(copy, key, &part),
            FileAction::MakeDir { path, owner: by } => {
                key.text(&part("action"), "make directory");
                key.add(&part("path"), path.as_bytes(), path.to_absolute());
                owner(key, &part("chown"), by.as_ref());
            }
            FileAction::Write { dest, name, into_dir, content, chmod, owner: by } => {
                key.text(&part("action"), "write");
                key.add(&part("dest"), dest.as_bytes(), dest.to_absolute());
                key.text(&part("name"), name);
                key.text(&part("into directory"), encode::yes(*into_dir));
                let shown = if content.len() <= 200 {
                    String::from_utf8_lossy(content).into()
                } else {
                    String::new()
                };
                key.add(&part("content"), content, shown);
                mode(key, &part("chmod"), chmod.as_ref());
                owner(key, &part("chown"), by.as_ref());
            }
        }
    }
}

fn copy_components(copy: &Copy, key: &mut KeyBuilder, part: &dyn Fn(&str) -> String) {
    key.text(&part("action"), "copy");
    let mut from = Encoder::new();
    from.number(copy.from.input as u64).flag(copy.from.foreign);
    key.add(&part("from"), &from.finish(), format!("input {}", copy.from.input));
    key.list(&part("sources"), &copy.sources);
    key.add(&part("dest"), copy.dest.as_bytes(), copy.dest.to_absolute());
    key.text(&part("into directory"), encode::yes(copy.into_dir));
    owner(key, &part("chown"), copy.owner.as_ref());
    mode(key, &part("chmod"), copy.chmod.as_ref());
    key.text(
        &part("unpack"),
        match copy.unpack {
            Unpack::Never => "never",
            Unpack::Archives => "archives",
        },
    );
    key.text(&part("link"), encode::yes(copy.link));
    key.text(&part("parents"), encode::yes(copy.parents));
    key.list(&part("exclude"), &copy.exclude);
}

fn owner(key: &mut KeyBuilder, name: &str, owner: Option<&OwnerSpec>) {
    let mut value = Encoder::new();
    value.flag(owner.is_some());
    if let Some(owner) = owner {
        value.text(&owner.user).optional(owner.group.as_deref());
    }
    key.add(name, &value.finish(), owner.map(ToString::to_string).unwrap_or_default());
}

fn mode(key: &mut KeyBuilder, name: &str, chmod: Option<&Chmod>) {
    let mut value = Encoder::new();
    match chmod {
        None => value.text("none"),
        Some(Chmod::Octal(mode)) => value.text("octal").number(u64::from(*mode)),
        Some(Chmod::Symbolic(text)) => value.text("symbolic").text(text),
    };
    key.add(name, &value.finish(), chmod.map(ToString::to_string).unwrap_or_default());
}
