//! `os/arch[/variant]`, normalised as containerd's `platforms` package does.

use std::fmt;
use std::str::FromStr;

/// A platform that images are made for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// Operating system: `linux`.
    pub os: String,
    /// Architecture as Go names it: `amd64`, `arm64`.
    pub arch: String,
    /// Variant: `v7` of `arm`; empty for most.
    pub variant: String,
}

/// Why a text is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform (expected OS/ARCH or OS/ARCH/VARIANT, for example linux/amd64)")]
pub struct PlatformError(pub String);

impl Platform {
    /// Makes a platform and normalises its names.
    pub fn new(os: &str, arch: &str, variant: &str) -> Self {
        let os = os.to_lowercase();
        let (arch, variant) = (arch.to_lowercase(), variant.to_lowercase());
        let (arch, variant) = match (arch.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
            ("x86_64" | "x86-64" | "amd64", v) => ("amd64", v),
            ("i386" | "386", _) => ("386", ""),
            ("aarch64" | "arm64", "" | "8" | "v8") => ("arm64", ""),
            ("aarch64" | "arm64", v) => ("arm64", v),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("arm", "" | "7") => ("arm", "v7"),
            ("arm", "5" | "6" | "8") => (
                "arm",
                match variant.as_str() {
                    "5" => "v5",
                    "6" => "v6",
                    _ => "v8",
                },
            ),
            (a, v) => (a, v),
        };
        Self { os, arch: arch.to_owned(), variant: variant.to_owned() }
    }

    /// The platform this program was compiled for.
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, "")
    }

    /// How well an image for `self` serves where `wanted` is asked for: 0 is best, `None` is not at all. A processor runs
    /// programs for lower variants of its kind. Where no variant is asked for a higher one is the last resort: most
    /// machines are newer than the oldest of their kind.
    pub fn distance(&self, wanted: &Self) -> Option<u32> {
        const HIGHER: u32 = 1 << 16;
        if self.os != wanted.os || self.arch != wanted.arch {
            return None;
        }
        if self.variant == wanted.variant {
            return Some(0);
        }
        match (self.level(), wanted.level()) {
            (Some(own), Some(asked)) if own <= asked => Some(asked - own),
            (Some(own), Some(asked)) => wanted.variant.is_empty().then_some(HIGHER + (own - asked)),
            // Names without an order, as those of RISC-V: any is as good as another.
            _ => Some(2 * HIGHER),
        }
    }

    /// The variant as a number: `v8.2` is 802.
    fn level(&self) -> Option<u32> {
        if self.variant.is_empty() {
            return match self.arch.as_str() {
                "amd64" => Some(100),
                "arm64" => Some(800),
                _ => None,
            };
        }
        let (major, minor) =
            self.variant.strip_prefix('v')?.split_once('.').unwrap_or((&self.variant[1..], "0"));
        let (major, minor): (u8, u8) = (major.parse().ok()?, minor.parse().ok()?);
        Some(u32::from(major) * 100 + u32::from(minor.min(99)))
    }

    /// True if an image for `self` runs where `other` is asked for: same os and arch, and the same variant or
    /// none given.
    pub fn satisfies(&self, other: &Self) -> bool {
        self.os == other.os
            && self.arch == other.arch
            && (self.variant == other.variant || self.variant.is_empty() || other.variant.is_empty())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let error = || PlatformError(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let valid = |part: &&str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if parts.len() > 3 || !parts.iter().all(valid) {
            return Err(error());
        }
        match parts[..] {
            ["linux" | "windows" | "darwin" | "freebsd"] => Ok(Self::new(parts[0], &Self::host().arch, "")),
            [
                arch @ ("amd64" | "x86_64" | "arm64" | "aarch64" | "386" | "i386" | "arm" | "armhf" | "armel"
                | "ppc64le" | "s390x" | "riscv64" | "mips64le" | "loong64"),
            ] => Ok(Self::new("linux", arch, "")),
            [os, arch] => Ok(Self::new(os, arch, "")),
            [os, arch, variant] => Ok(Self::new(os, arch, variant)),
            _ => Err(error()),
        }
    }
}

impl serde::Serialize for Platform {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Platform {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises() {
        for (given, want) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("arm64", "linux/arm64"),
            ("Linux/AMD64", "linux/amd64"),
        ] {
            assert_eq!(given.parse::<Platform>().unwrap().to_string(), want, "{given}");
        }
        for given in ["", "/", "linux/", "a/b/c/d", "linux/am d64"] {
            assert!(given.parse::<Platform>().is_err(), "{given}");
        }
    }
}
