//! `ExposeInvalidFormat`

use imgc_syntax::dockerfile::ast::Kind;

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "ExposeInvalidFormat",
    description: "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an \
                  error in a future release",
    experimental: false,
    find,
};

fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for step in model.steps().filter(|step| matches!(step.instruction.kind, Kind::Expose(_))) {
        for (port, span) in &step.words {
            if let Some((_, container)) = port.rsplit_once(':') {
                let message = format!(
                    "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
                );
                let help =
                    format!("write `{container}`; what the machine gives is said when the container is run");
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
        let text = |port| {
            format!(
                "2 EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
            )
        };
        let file = "FROM scratch\nEXPOSE 127.0.0.1:80:80 [::1]:8080:8080 5000:5000 8000 53/udp";
        assert_eq!(
            found("ExposeInvalidFormat", file),
            [text("127.0.0.1:80:80"), text("[::1]:8080:8080"), text("5000:5000")]
        );
    }
}
