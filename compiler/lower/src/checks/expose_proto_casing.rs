//! `ExposeProtoCasing`

use imgc_syntax::dockerfile::ast::Kind;

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "ExposeProtoCasing",
    description: "Protocol in EXPOSE instruction should be lowercase",
    experimental: false,
    find,
};

fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for step in model.steps().filter(|step| matches!(step.instruction.kind, Kind::Expose(_))) {
        for (port, span) in &step.words {
            let Some((number, protocol)) = port.split_once('/') else { continue };
            if protocol != protocol.to_lowercase() {
                let message = format!("Defined protocol '{port}' in EXPOSE instruction should be lowercase");
                let help = format!("write `{number}/{}`", protocol.to_lowercase());
                report.add_with(step.instruction, *span, message, Some(help));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        let text = |port| format!("2 Defined protocol '{port}' in EXPOSE instruction should be lowercase");
        assert_eq!(
            found("ExposeProtoCasing", "FROM scratch\nEXPOSE 80/TcP 8080/TCP 8080/udp 1"),
            [text("80/TcP"), text("8080/TCP")]
        );
        assert_eq!(found("ExposeProtoCasing", "FROM scratch\nARG p=\"1/tcp 2/UDP\"\nEXPOSE $p").len(), 1);
    }
}
