//! `--annotation`: remarks on manifests, on the index, and on its entries, with buildx's prefixes.
//!
//! The graph holds what is in manifests. The rest is put on the index once it is built: no step depends on it.

use std::collections::BTreeMap;

use imgc_base::Platform;
use imgc_execute::BuiltImage;
use imgc_image::manifest::Document;
use imgc_image::{Descriptor, Index, limits};
use imgc_store::Store;

use super::pairs;
use crate::failure::{Failure, code};

/// Remarks by where they go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `NAME` and `manifest:NAME`: in every manifest.
    pub manifests: BTreeMap<String, String>,
    /// `manifest[PLATFORM]:NAME`.
    pub platforms: Vec<(Platform, String, String)>,
    /// `index:NAME`.
    index: BTreeMap<String, String>,
    /// `manifest-descriptor:NAME` and `manifest-descriptor[PLATFORM]:NAME`: of entries of the index.
    entries: Vec<(Option<Platform>, String, String)>,
}

impl Annotations {
    /// Reads them.
    pub fn parse(texts: &[String]) -> Result<Self, Failure> {
        let mut read = Self::default();
        for text in texts {
            let (name, value) = pairs::pair("--annotation", text)?;
            let Some((places, name)) = name.split_once(':') else {
                read.manifests.insert(name, value);
                continue;
            };
            for place in places.split(',') {
                read.put(place, name, &value).map_err(|error| {
                    Failure::usage(format!("`--annotation {text}`: {error}")).help(
                        "write NAME=VALUE, or before it manifest:, manifest[PLATFORM]:, index: or manifest-descriptor:",
                    )
                })?;
            }
        }
        Ok(read)
    }

    fn put(&mut self, place: &str, name: &str, value: &str) -> Result<(), String> {
        let (kind, platform) = match place.split_once('[') {
            Some((kind, rest)) => {
                let platform = rest.strip_suffix(']').ok_or("`[` has no `]`")?;
                (kind, Some(platform.parse::<Platform>().map_err(|error| error.to_string())?))
            }
            None => (place, None),
        };
        let (name, value) = (name.to_owned(), value.to_owned());
        match (kind, platform) {
            _ if name.is_empty() => return Err("it has no name".to_owned()),
            ("manifest", None) => drop(self.manifests.insert(name, value)),
            ("manifest", Some(platform)) => self.platforms.push((platform, name, value)),
            ("index", None) => drop(self.index.insert(name, value)),
            ("manifest-descriptor", platform) => self.entries.push((platform, name, value)),
            _ => return Err(format!("`{place}:` is not supported")),
        }
        Ok(())
    }

    /// True if something is to be on an index.
    pub fn need_index(&self) -> bool {
        !self.index.is_empty() || !self.entries.is_empty()
    }

    /// The result with its remarks on the index; a single image as it is.
    pub fn on_index(&self, store: &Store, image: &BuiltImage) -> Result<BuiltImage, Failure> {
        if !self.need_index() {
            return Ok(image.clone());
        }
        let bytes = store.read_document(&image.descriptor.digest, limits::MANIFEST_BYTES)?;
        let Document::Index(index) = Document::parse(&bytes, Some(&image.descriptor.media_type))? else {
            return Err(Failure::usage("`--annotation index:` needs an index")
                .help("build for several platforms: `--platform linux/amd64,linux/arm64`"));
        };
        let index = self.added(index);
        let bytes = serde_json::to_vec(&index).map_err(|error| Failure::chain(code::FAILED, &error))?;
        let digest = store.put_document(&bytes)?;
        let descriptor = Descriptor { digest, size: bytes.len() as u64, ..image.descriptor.clone() };
        Ok(BuiltImage { descriptor, members: index.manifests, config: digest, ..image.clone() })
    }

    fn added(&self, mut index: Index) -> Index {
        index.annotations.extend(self.index.clone());
        for entry in &mut index.manifests {
            let own = entry.platform.as_ref().map(imgc_image::manifest::PlatformDoc::platform);
            for (platform, name, value) in &self.entries {
                if platform
                    .as_ref()
                    .is_none_or(|wanted| own.as_ref().is_some_and(|own| own.satisfies(wanted)))
                {
                    entry.annotations.insert(name.clone(), value.clone());
                }
            }
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_they_go() {
        let texts = [
            "a=1",
            "manifest:b=2:3=4",
            "index,manifest:c=5",
            "manifest[linux/arm64]:d=6",
            "manifest-descriptor[linux/arm64]:e=7",
            "manifest-descriptor:f=",
        ];
        let read = Annotations::parse(&texts.map(str::to_owned)).unwrap();
        let pairs = |map: &BTreeMap<String, String>| {
            map.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(pairs(&read.manifests), "a=1 b=2:3=4 c=5");
        assert_eq!(pairs(&read.index), "c=5");
        assert_eq!(read.platforms, [("linux/arm64".parse().unwrap(), "d".to_owned(), "6".to_owned())]);
        assert_eq!(read.entries.len(), 2);
        assert!(read.need_index());
        for text in [
            "=x",
            "index:=x",
            "index[linux/amd64]:a=b",
            "nowhere:a=b",
            "manifest[linux:a=b",
            "manifest[x y]:a=b",
        ] {
            assert!(Annotations::parse(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
