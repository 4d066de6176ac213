//! `-O2`: which paths are known garbage, as data.
//!
//! A rule names paths that a package manager or tool makes again when it needs them, so that no program misses them.
//! Rules are applied when layers are assembled, to our own layers only; every dropped path is reported with its
//! rule, and each rule can be turned off by its name. The databases of package managers are never dropped, whatever
//! a rule says: `apt list`, scanners and updates need them.

use std::sync::OnceLock;

use imgc_base::glob::Pattern;
use imgc_base::path::ImagePath;

/// A named rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Rule {
    /// Its name, for reports and for turning it off: `apt-lists`.
    pub name: &'static str,
    /// What it drops, as patterns of whole paths with `**`. `dir/**` keeps `dir` itself.
    pub patterns: &'static [&'static str],
    /// Why nothing misses it.
    pub why: &'static str,
}

/// Every rule, by name.
pub const RULES: &[Rule] = &[
    Rule {
        name: "apk-cache",
        patterns: &["var/cache/apk/**"],
        why: "the package index and packages are fetched again by `apk update` and `apk add`",
    },
    Rule {
        name: "apt-cache",
        patterns: &["var/cache/apt/archives/*.deb", "var/cache/apt/*.bin"],
        why: "packages that are installed already; `apt-get` fetches and indexes again",
    },
    Rule {
        name: "apt-lists",
        patterns: &["var/lib/apt/lists/**"],
        why: "lists of packages that are out of date soon; `apt-get update` fetches them",
    },
    Rule {
        name: "cargo-cache",
        patterns: &[
            "root/.cargo/registry/cache/**",
            "root/.cargo/registry/index/**",
            "usr/local/cargo/registry/cache/**",
            "usr/local/cargo/registry/index/**",
        ],
        why: "packed crates and the index; `cargo` fetches them again",
    },
    Rule {
        name: "debconf-old",
        patterns: &["var/cache/debconf/*-old"],
        why: "the database before the last change",
    },
    Rule {
        name: "dnf-cache",
        patterns: &["var/cache/dnf/**", "var/cache/libdnf5/**", "var/cache/yum/**"],
        why: "metadata and packages; `dnf` fetches them again",
    },
    Rule {
        name: "font-cache",
        patterns: &["var/cache/fontconfig/**"],
        why: "made again by the first program that looks for a font",
    },
    Rule {
        name: "go-cache",
        patterns: &["root/.cache/go-build/**"],
        why: "compiled packages; `go build` compiles them again",
    },
    Rule {
        name: "ldconfig-cache",
        patterns: &["var/cache/ldconfig/aux-cache"],
        why: "helps `ldconfig` only, and holds inode numbers of the machine it was made on",
    },
    Rule {
        name: "logs",
        patterns: &[
            "var/log/alternatives.log",
            "var/log/apt/**",
            "var/log/bootstrap.log",
            "var/log/dnf*.log",
            "var/log/dpkg.log",
            "var/log/hawkey.log",
            "var/log/yum.log",
            "var/log/zypper.log",
            "var/log/zypp/**",
            "var/log/pacman.log",
        ],
        why: "logs of the package manager about the build; it starts new ones",
    },
    Rule {
        name: "man-cache",
        patterns: &["var/cache/man/**"],
        why: "the index of manual pages; `mandb` makes it again",
    },
    Rule {
        name: "npm-cache",
        patterns: &[
            "root/.npm/_cacache/**",
            "root/.npm/_logs/**",
            "home/*/.npm/_cacache/**",
            "home/*/.npm/_logs/**",
        ],
        why: "packed packages and logs; `npm` fetches them again",
    },
    Rule {
        name: "pacman-cache",
        patterns: &["var/cache/pacman/pkg/**", "var/lib/pacman/sync/**"],
        why: "packages that are installed already, and lists; `pacman -Sy` fetches them",
    },
    Rule {
        name: "pip-cache",
        patterns: &["root/.cache/pip/**", "home/*/.cache/pip/**", "root/.cache/uv/**", "home/*/.cache/uv/**"],
        why: "wheels that are installed already; `pip` and `uv` fetch them again",
    },
    Rule {
        name: "python-bytecode",
        patterns: &["**/__pycache__/*.pyc"],
        why: "compiled again from the source beside it; the first start is slower",
    },
    Rule {
        name: "yarn-cache",
        patterns: &["usr/local/share/.cache/yarn/**", "root/.cache/yarn/**", "home/*/.cache/yarn/**"],
        why: "packed packages; `yarn` fetches them again",
    },
    Rule {
        name: "zypper-cache",
        patterns: &["var/cache/zypp/**"],
        why: "metadata and packages; `zypper` fetches them again",
    },
];

/// Never dropped: what is installed, according to each package manager.
const PROTECTED: &[&str] = &[
    "lib/apk/db",
    "usr/lib/apk/db",
    "usr/lib/sysimage",
    "var/lib/dpkg",
    "var/lib/pacman/local",
    "var/lib/rpm",
];

/// A name that is no rule's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no rule `{name}` (rules: {})", RULES.iter().map(|rule| rule.name).collect::<Vec<_>>().join(", "))]
pub struct UnknownRule {
    /// The name.
    pub name: String,
}

/// The rules that are on.
#[derive(Debug, Clone)]
pub struct Rules {
    on: Vec<bool>,
}

impl Rules {
    /// All rules but those named.
    pub fn without(off: &[String]) -> Result<Self, UnknownRule> {
        let mut on = vec![true; RULES.len()];
        for name in off {
            let Some(at) = RULES.iter().position(|rule| rule.name == name) else {
                return Err(UnknownRule { name: name.clone() });
            };
            on[at] = false;
        }
        Ok(Self { on })
    }

    /// The names of the rules that are on, in the table's order.
    pub fn names(&self) -> Vec<&'static str> {
        RULES.iter().zip(&self.on).filter(|(_, on)| **on).map(|(rule, _)| rule.name).collect()
    }

    /// The rule by which a path is garbage.
    pub fn garbage(&self, path: &ImagePath) -> Option<&'static Rule> {
        let matched = |at: &usize| self.on[*at] && compiled()[*at].iter().any(|p| p.matches(path.as_bytes()));
        let rule = (0..RULES.len()).find(matched)?;
        let protected = PROTECTED.iter().any(|dir| {
            path.as_bytes().strip_prefix(dir.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
        });
        (!protected).then_some(&RULES[rule])
    }
}

/// The patterns of each rule. One that does not compile would match nothing; the tests hold that there is none.
fn compiled() -> &'static [Vec<Pattern>] {
    static COMPILED: OnceLock<Vec<Vec<Pattern>>> = OnceLock::new();
    let compile = |rule: &Rule| rule.patterns.iter().filter_map(|p| Pattern::doublestar(p).ok()).collect();
    COMPILED.get_or_init(|| RULES.iter().map(compile).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule_of(rules: &Rules, path: &str) -> Option<&'static str> {
        rules.garbage(&ImagePath::clean(path).unwrap()).map(|rule| rule.name)
    }

    #[test]
    fn each_rule_drops_what_it_names() {
        let rules = Rules::without(&[]).unwrap();
        for (path, want) in [
            (
                "/var/lib/apt/lists/deb.debian.org_debian_dists_trixie_main_binary-amd64_Packages.lz4",
                "apt-lists",
            ),
            ("/var/lib/apt/lists/partial", "apt-lists"),
            ("/var/cache/apt/archives/curl_8.deb", "apt-cache"),
            ("/var/cache/apt/pkgcache.bin", "apt-cache"),
            ("/var/cache/apk/APKINDEX.tar.gz", "apk-cache"),
            ("/var/cache/dnf/a/b/c.solv", "dnf-cache"),
            ("/var/log/apt/history.log", "logs"),
            ("/var/log/dnf.rpm.log", "logs"),
            ("/root/.cache/pip/http/a", "pip-cache"),
            ("/home/app/.npm/_cacache/index", "npm-cache"),
            ("/usr/lib/python3/x/__pycache__/a.cpython-313.pyc", "python-bytecode"),
            ("/usr/local/cargo/registry/cache/x/serde.crate", "cargo-cache"),
            ("/var/cache/ldconfig/aux-cache", "ldconfig-cache"),
        ] {
            assert_eq!(rule_of(&rules, path), Some(want), "{path}");
        }
    }

    #[test]
    fn keeps_what_may_be_needed() {
        let rules = Rules::without(&[]).unwrap();
        for path in [
            "/",
            "/var/lib/apt/lists",
            "/var/cache/apt/archives",
            "/var/lib/dpkg/status",
            "/var/lib/rpm/rpmdb.sqlite",
            "/lib/apk/db/installed",
            "/usr/lib/sysimage/rpm/x",
            "/var/lib/pacman/local/x/desc",
            "/var/log/nginx/access.log",
            "/var/log",
            "/app/module.pyc",
            "/app/__pycache__",
            "/tmp/x",
        ] {
            assert_eq!(rule_of(&rules, path), None, "{path}");
        }
    }

    #[test]
    fn can_be_turned_off() {
        let rules = Rules::without(&["apt-lists".to_owned()]).unwrap();
        assert_eq!(rule_of(&rules, "/var/lib/apt/lists/x"), None);
        assert_eq!(rule_of(&rules, "/var/log/dpkg.log"), Some("logs"));
        let error = Rules::without(&["apt".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("there is no rule `apt` (rules: apk-cache, apt-cache,"), "{error}");
    }

    #[test]
    fn the_table_is_sound() {
        assert!(RULES.is_sorted_by_key(|rule| rule.name));
        for (rule, patterns) in RULES.iter().zip(compiled()) {
            assert_eq!(rule.patterns.len(), patterns.len(), "{}", rule.name);
            assert!(!rule.why.is_empty());
        }
    }
}
