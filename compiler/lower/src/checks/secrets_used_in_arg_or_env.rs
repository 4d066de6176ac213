//! `SecretsUsedInArgOrEnv`

use imgc_syntax::dockerfile::ast::Kind;

use super::model::Model;
use super::{Report, Rule};
use crate::gofmt::quoted;

pub(super) const RULE: Rule = Rule {
    name: "SecretsUsedInArgOrEnv",
    description: "Sensitive data should not be used in the ARG or ENV commands",
    experimental: false,
    find,
};

const SECRET: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
const HARMLESS: [&str; 3] = ["public", "file", "version"];

fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for step in model.steps() {
        let name = match &step.instruction.kind {
            Kind::Env(_) => "ENV",
            Kind::Arg(_) => "ARG",
            _ => continue,
        };
        for (key, span) in step.words.iter().filter(|(key, _)| is_secret(key)) {
            let message =
                format!("Do not use ARG or ENV instructions for sensitive data ({name} {})", quoted(key));
            let help = "give it to the step that needs it: `RUN --mount=type=secret,id=NAME ...`".to_owned();
            report.add_with(step.instruction, *span, message, Some(help));
        }
    }
}

/// True if a part of the name, between underscores, is a word for a secret, and none makes it harmless.
fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    has(&SECRET) && !has(&HARMLESS)
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        let text = "FROM scratch\n\
            ARG SECRET_PASSPHRASE\n\
            ENV SUPER_Secret=foo\n\
            ENV password=bar secret=baz\n\
            ARG super_duper_secret_token=foo auth=bar\n\
            ENV apikey=bar sunflower=foo\n\
            ENV git_key=\n\
            ENV PUBLIC_KEY=\n\
            ARG public_token\n\
            ARG SECRET_PASSPHRASE_FILE\n\
            ENV password_file=bar secret_File=baz\n\
            ARG AUTH_MODULE_VERSION\n\
            ENV monkey=1 keys=2 authority=3\n\
            # check=skip=SecretsUsedInArgOrEnv // allowed here\n\
            ENV password=bar\n\
            # check=skip=all // is local to only this instruction\n\
            ARG alternate_password\n";
        let names: Vec<String> = found("SecretsUsedInArgOrEnv", text)
            .iter()
            .map(|line| line.replace("Do not use ARG or ENV instructions for sensitive data ", ""))
            .collect();
        assert_eq!(
            names,
            [
                "2 (ARG \"SECRET_PASSPHRASE\")",
                "3 (ENV \"SUPER_Secret\")",
                "4 (ENV \"password\")",
                "4 (ENV \"secret\")",
                "5 (ARG \"super_duper_secret_token\")",
                "5 (ARG \"auth\")",
                "6 (ENV \"apikey\")",
                "7 (ENV \"git_key\")",
            ]
        );
    }
}
