//! `-c` of commit and import: instructions of a Dockerfile that change a config.

use imgc_base::config::ContainerConfig;
use imgc_base::diagnostic::Severity;
use imgc_base::digest::BlobDigest;
use imgc_base::platform::Platform;
use imgc_base::span::SourceMap;
use imgc_graph::world::FactKind;
use imgc_graph::{FactError, ImageFacts, Op, World};

use crate::failure::{Failure, code};

/// The instructions that make no files (docker's list).
const KNOWN: [&str; 11] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// The one image that the text stands on.
struct Base {
    config: ContainerConfig,
    platform: Platform,
}

impl World for Base {
    fn image(&self, _name: &str, _platform: &Platform) -> Result<ImageFacts, FactError> {
        Ok(ImageFacts {
            reference: None,
            digest: BlobDigest::of(b""),
            platform: self.platform.clone(),
            config: self.config.clone(),
            history: Vec::new(),
            author: None,
            layers: Vec::new(),
        })
    }

    fn has_context(&self, _name: &str) -> bool {
        false
    }

    fn ignore(&self, context: &str) -> Result<Vec<String>, FactError> {
        let message = format!("there is no context `{context}` here");
        Err(FactError { kind: FactKind::NotFound, message, notes: Vec::new(), help: None })
    }
}

/// The config after the changes.
pub fn apply(
    config: &ContainerConfig,
    platform: &Platform,
    changes: &[String],
) -> Result<ContainerConfig, Failure> {
    if changes.is_empty() {
        return Ok(config.clone());
    }
    for change in changes {
        let word = change.split_whitespace().next().unwrap_or_default().to_uppercase();
        if !KNOWN.contains(&word.as_str()) {
            return Err(Failure::usage(format!("`-c {change}` is not possible"))
                .help(format!("use {}", KNOWN.join(", "))));
        }
    }
    // Triggers of the base are for builds on it; they neither run now nor get lost.
    let base = Base {
        config: ContainerConfig { on_build: Vec::new(), ..config.clone() },
        platform: platform.clone(),
    };
    let text = format!("FROM base\n{}\n", changes.join("\n"));
    let mut sources = SourceMap::default();
    let id = sources.add("-c".to_owned(), text.as_str());
    let parsed = imgc_syntax::dockerfile::parse(id, &text);
    let errors: Vec<_> =
        parsed.diagnostics.into_iter().filter(|found| found.severity == Severity::Error).collect();
    if !errors.is_empty() {
        return Err(Failure { code: code::USAGE, ..Failure::diagnostics(errors, sources) });
    }
    let options = imgc_lower::Options {
        build_platform: platform.clone(),
        platforms: vec![platform.clone()],
        ..imgc_lower::Options::default()
    };
    let lowered = imgc_lower::lower(&parsed.dockerfile, &mut sources, &options, &base)
        .map_err(|errors| Failure { code: code::USAGE, ..Failure::diagnostics(errors, sources.clone()) })?;
    let graph = &lowered.graph;
    let found = graph.nodes().find_map(|id| match &graph.node(id).op {
        Op::Image(image) => Some(image.config.clone()),
        _ => None,
    });
    let mut changed = found.unwrap_or_default();
    // A build gives an image without a search path the usual one; a change of something else does not.
    if config.env("PATH").is_none() && !changes.iter().any(|change| change.contains("PATH")) {
        changed.env.retain(|entry| !entry.starts_with("PATH="));
    }
    changed.on_build.splice(0..0, config.on_build.iter().cloned());
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_a_config() {
        let base = ContainerConfig {
            env: vec!["A=1".to_owned()],
            on_build: vec!["RUN x".to_owned()],
            entrypoint: Some(vec!["old".to_owned()]),
            ..ContainerConfig::default()
        };
        let changes = [
            "ENV A=2 B=$A",
            "cmd [\"run\"]",
            "EXPOSE 80",
            "WORKDIR /srv",
            "LABEL a=b",
            "USER app",
            "ONBUILD ADD . .",
        ];
        let changes: Vec<String> = changes.iter().map(|text| (*text).to_owned()).collect();
        let config = apply(&base, &Platform::host(), &changes).unwrap();
        assert_eq!(config.env, ["A=2", "B=1"]);
        assert_eq!(config.cmd, Some(vec!["run".to_owned()]));
        assert_eq!(config.entrypoint, base.entrypoint);
        assert_eq!((config.working_dir.as_str(), config.user.as_str()), ("/srv", "app"));
        assert!(config.exposed_ports.contains_key("80/tcp"));
        assert_eq!(config.labels["a"], "b");
        assert_eq!(config.on_build, ["RUN x", "ADD . ."]);
        assert_eq!(apply(&base, &Platform::host(), &[]).unwrap(), base);
        for bad in ["RUN x", "COPY a b", "", "CMD", "ENV"] {
            let failure = apply(&base, &Platform::host(), &[bad.to_owned()]).unwrap_err();
            assert_eq!(failure.code, code::USAGE, "{bad}");
        }
    }
}
