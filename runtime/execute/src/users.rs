//! Names of users and groups, looked up in an image's own `/etc/passwd` and `/etc/group`.
//!
//! Both files come from an image that is not trusted: links in them are resolved inside the tree, only regular files
//! of at most [`MAX_BYTES`] are read, and a number is a number even where a line of the file has it as a name
//! (CVE-2024-40635, CVE-2026-46680, CVE-2026-47262).

use std::io::{self, Read};

use imgc_base::path::ImagePath;
use imgc_graph::OwnerSpec;
use imgc_image::tree::Found;
use imgc_image::{Contents, ImageError, Kind, Tree};

/// How much of `/etc/passwd` and `/etc/group` is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// The highest number: the one above means "unchanged" to `chown`.
const MAX_ID: u32 = u32::MAX - 1;
/// How many supplementary groups the kernel takes (`NGROUPS_MAX`).
const MAX_GROUPS: usize = 65_536;

/// Who a command runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Number of the user.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// All groups, the primary one first (CVE-2022-36109: never without it).
    pub groups: Vec<u32>,
    /// Home directory; `/` if the image names none.
    pub home: String,
    /// Name of the user; empty if the image names none.
    pub name: String,
}

/// Why a user or group is not known.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// No line of the file has this name.
    #[error("no {what} `{name}` in `{file}` of the image")]
    Unknown {
        /// `user` or `group`.
        what: &'static str,
        /// What was looked for.
        name: String,
        /// Which file.
        file: &'static str,
    },
    /// A number that no user or group can have.
    #[error("{what} `{text}` is out of range: the highest number is {MAX_ID}")]
    Range {
        /// `user` or `group`.
        what: &'static str,
        /// As written.
        text: String,
    },
    /// The file in the image cannot be used.
    #[error("`{file}` of the image {why}")]
    File {
        /// Which file.
        file: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file in the image cannot be read.
    #[error("failed to read `{file}` of the image")]
    Read {
        /// Which file.
        file: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A link in the image leads nowhere.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl UserError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Unknown { what, .. } => {
                Some(format!("create the {what} in an earlier `RUN`, or give its number instead of its name"))
            }
            _ => None,
        }
    }
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Resolves `user[:group]` as `USER` has it: who a command runs as. An empty text is root.
pub fn resolve(tree: &Tree, contents: &dyn Contents, spec: &str) -> Result<User, UserError> {
    let (user, group) = spec.split_once(':').map_or((spec, ""), |(user, group)| (user, group));
    let user = if user.is_empty() { "0" } else { user };
    let number = number("user", user)?;
    let passwd = read(tree, contents, PASSWD)?;
    let found = passwd_lines(&passwd).find(|line| match number {
        Some(uid) => line.uid == uid,
        None => line.name == user.as_bytes(),
    });
    let mut who = match (&found, number) {
        (Some(line), _) => User {
            uid: line.uid,
            gid: line.gid,
            groups: Vec::new(),
            home: text(line.home, "/"),
            name: text(line.name, ""),
        },
        (None, Some(uid)) => {
            User { uid, gid: 0, groups: Vec::new(), home: "/".to_owned(), name: String::new() }
        }
        (None, None) => return Err(unknown("user", user, PASSWD)),
    };
    if group.is_empty() {
        if let Some(line) = &found {
            let members = read(tree, contents, GROUP)?;
            who.groups = group_lines(&members).filter(|g| g.has(line.name)).map(|g| g.gid).collect();
        }
    } else {
        who.gid = group_number(tree, contents, group)?;
    }
    who.groups.retain(|&gid| gid != who.gid);
    who.groups.insert(0, who.gid);
    let mut seen = std::collections::BTreeSet::new();
    who.groups.retain(|&gid| seen.insert(gid));
    who.groups.truncate(MAX_GROUPS);
    Ok(who)
}

/// Resolves `--chown`: a number alone is also the group, a name brings its primary group.
pub fn owner(tree: &Tree, contents: &dyn Contents, spec: &OwnerSpec) -> Result<(u32, u32), UserError> {
    let user = spec.user.as_str();
    let (uid, primary) = match number("user", user)? {
        Some(uid) => (uid, uid),
        None if user.is_empty() => (0, 0),
        None => {
            let passwd = read(tree, contents, PASSWD)?;
            match passwd_lines(&passwd).find(|line| line.name == user.as_bytes()) {
                Some(line) => (line.uid, line.gid),
                // Every image has a root, also one without files.
                None if user == "root" => (0, 0),
                None => return Err(unknown("user", user, PASSWD)),
            }
        }
    };
    match spec.group.as_deref() {
        // `user:` is the user's own group, as in `chown`.
        None | Some("") => Ok((uid, primary)),
        Some(group) => Ok((uid, group_number(tree, contents, group)?)),
    }
}

fn group_number(tree: &Tree, contents: &dyn Contents, group: &str) -> Result<u32, UserError> {
    if let Some(gid) = number("group", group)? {
        return Ok(gid);
    }
    let groups = read(tree, contents, GROUP)?;
    match group_lines(&groups).find(|line| line.name == group.as_bytes()) {
        Some(line) => Ok(line.gid),
        None if group == "root" => Ok(0),
        None => Err(unknown("group", group, GROUP)),
    }
}

fn unknown(what: &'static str, name: &str, file: &'static str) -> UserError {
    UserError::Unknown { what, name: name.to_owned(), file }
}

/// A text of digits is a number and never a name; one that does not fit is an error, never root.
fn number(what: &'static str, text: &str) -> Result<Option<u32>, UserError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if id <= MAX_ID => Ok(Some(id)),
        _ => Err(UserError::Range { what, text: text.to_owned() }),
    }
}

fn text(bytes: &[u8], default: &str) -> String {
    if bytes.is_empty() { default.to_owned() } else { String::from_utf8_lossy(bytes).into_owned() }
}

/// A file of the image; empty if it is not there.
fn read(tree: &Tree, contents: &dyn Contents, file: &'static str) -> Result<Vec<u8>, UserError> {
    let path = ImagePath::clean(file).map_err(ImageError::from)?;
    let path = tree.resolve(&path, true)?;
    let Some(found) = tree.get(&path) else { return Ok(Vec::new()) };
    let content: &imgc_image::Entry = Found::content(found);
    match content.kind {
        Kind::File { size, .. } if size > MAX_BYTES => {
            Err(UserError::File { file, why: "is larger than 1 MiB" })
        }
        Kind::File { .. } => {
            let mut bytes = Vec::new();
            contents
                .open(&found.layer.diff_id, &content.path)
                .and_then(|source| source.take(MAX_BYTES).read_to_end(&mut bytes))
                .map_err(|source| UserError::Read { file, source })?;
            Ok(bytes)
        }
        _ => Err(UserError::File { file, why: "is no regular file" }),
    }
}

/// One line of `/etc/passwd`.
struct PasswdLine<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: &'a [u8],
}

/// Lines that read; others are skipped, as the C library does.
fn passwd_lines(bytes: &[u8]) -> impl Iterator<Item = PasswdLine<'_>> {
    lines(bytes).filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next()?;
        let (_password, uid, gid) = (fields.next()?, id(fields.next()?)?, id(fields.next()?)?);
        let _comment = fields.next();
        Some(PasswdLine { name, uid, gid, home: fields.next().unwrap_or_default() })
    })
}

/// One line of `/etc/group`.
struct GroupLine<'a> {
    name: &'a [u8],
    gid: u32,
    members: &'a [u8],
}

impl GroupLine<'_> {
    fn has(&self, user: &[u8]) -> bool {
        !user.is_empty() && self.members.split(|&byte| byte == b',').any(|member| member.trim_ascii() == user)
    }
}

fn group_lines(bytes: &[u8]) -> impl Iterator<Item = GroupLine<'_>> {
    lines(bytes).filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next()?;
        let (_password, gid) = (fields.next()?, id(fields.next()?)?);
        Some(GroupLine { name, gid, members: fields.next().unwrap_or_default() })
    })
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
}

fn id(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.trim().parse().ok().filter(|&id| id <= MAX_ID)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use imgc_base::digest::{DiffId, FileDigest};
    use imgc_image::{Entry, Layer, LayerIndex, Meta};

    use super::*;

    struct Files(BTreeMap<ImagePath, Vec<u8>>);

    impl Contents for Files {
        fn open(&self, _layer: &DiffId, path: &ImagePath) -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(io::Cursor::new(self.0[path].clone())))
        }
    }

    fn path(text: &str) -> ImagePath {
        ImagePath::clean(text).unwrap()
    }

    /// Regular files by content; a content that starts with `->` is a link.
    fn image(files: &[(&str, &str)]) -> (Tree, Files) {
        let mut contents = BTreeMap::new();
        let mut entries = Vec::new();
        for (name, text) in files {
            let kind = match text.strip_prefix("->") {
                Some("pipe") => Kind::Fifo,
                Some(target) => Kind::Symlink { target: target.into() },
                None => Kind::File { size: text.len() as u64, digest: FileDigest::of(text.as_bytes()) },
            };
            contents.insert(path(name), text.as_bytes().to_vec());
            entries.push(Entry { path: path(name), kind, meta: Meta::default() });
        }
        let layer = Layer { diff_id: DiffId::of(b""), index: Arc::new(LayerIndex::new(entries)) };
        (Tree::new(vec![layer]), Files(contents))
    }

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# no line\n\nbob:x:1000:1001:Bob:/home/bob:/bin/sh\n\
                          0:x:7:7::/evil:/bin/sh\nbad:x:a:b::/:\nshort:x\nbig:x:4294967296:0::/:\n";
    const GROUP: &str = "root:x:0:\nstaff:x:50:bob,eve\nwheel:x:10: bob \nbob:x:1001:\n";

    #[test]
    fn commands_run_as() {
        let (tree, files) = image(&[("etc/passwd", PASSWD), ("etc/group", GROUP)]);
        for (spec, uid, gid, groups, home) in [
            ("", 0, 0, &[0][..], "/root"),
            ("root", 0, 0, &[0], "/root"),
            ("0", 0, 0, &[0], "/root"),
            ("bob", 1000, 1001, &[1001, 50, 10], "/home/bob"),
            ("1000", 1000, 1001, &[1001, 50, 10], "/home/bob"),
            ("bob:staff", 1000, 50, &[50], "/home/bob"),
            ("bob:", 1000, 1001, &[1001, 50, 10], "/home/bob"),
            ("bob:77", 1000, 77, &[77], "/home/bob"),
            ("4000", 4000, 0, &[0], "/"),
            ("4000:50", 4000, 50, &[50], "/"),
            (":staff", 0, 50, &[50], "/root"),
        ] {
            let user = resolve(&tree, &files, spec).unwrap();
            let got = (user.uid, user.gid, user.groups.as_slice(), user.home.as_str());
            assert_eq!(got, (uid, gid, groups, home), "{spec}");
        }
    }

    #[test]
    fn cve_2022_36109_the_primary_group_is_always_there() {
        let (tree, files) = image(&[("etc/passwd", PASSWD), ("etc/group", GROUP)]);
        for spec in ["", "bob", "1000", "bob:staff", "4000:50", "77"] {
            let user = resolve(&tree, &files, spec).unwrap();
            assert_eq!(user.groups.first(), Some(&user.gid), "{spec}");
        }
    }

    #[test]
    fn cve_2024_40635_and_2026_46680_numbers_are_never_names() {
        let (tree, files) = image(&[("etc/passwd", PASSWD), ("etc/group", GROUP)]);
        // A line has the name `0`: the number wins.
        assert_eq!(resolve(&tree, &files, "0").unwrap().home, "/root");
        for spec in ["eve", "bob:eve", "bad", "big", "short", "-1", "4294967295", "0:4294967296"] {
            assert!(resolve(&tree, &files, spec).is_err(), "{spec}");
        }
    }

    #[test]
    fn images_without_users() {
        let (tree, files) = image(&[]);
        let user = resolve(&tree, &files, "").unwrap();
        assert_eq!((user.uid, user.groups, user.home.as_str()), (0, vec![0], "/"));
        assert!(resolve(&tree, &files, "bob").is_err());
    }

    #[test]
    fn cve_2024_9676_and_2026_47262_hostile_files() {
        // Inside the root, links are followed.
        let (tree, files) = image(&[("etc/passwd", "->../../../usr/passwd"), ("usr/passwd", PASSWD)]);
        assert_eq!(resolve(&tree, &files, "bob").unwrap().uid, 1000);
        let (tree, files) = image(&[("etc/passwd", "->pipe")]);
        assert!(matches!(resolve(&tree, &files, "bob"), Err(UserError::File { .. })));
        let (tree, files) = image(&[("etc/passwd", "->passwd")]);
        assert!(matches!(resolve(&tree, &files, "bob"), Err(UserError::Image(_))));
        let large = "x".repeat(2 << 20);
        let (tree, files) = image(&[("etc/passwd", &large)]);
        assert!(matches!(resolve(&tree, &files, "bob"), Err(UserError::File { .. })));
    }
}
