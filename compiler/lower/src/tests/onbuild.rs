//! Triggers.

use super::*;

fn world(triggers: &[&str]) -> Fake {
    let mut fake = Fake::new();
    fake.has("base", |config| config.on_build = triggers.iter().map(|text| (*text).to_owned()).collect());
    fake
}

fn history_on(triggers: &[&str], text: &str) -> Vec<String> {
    let lowered = run(text, &options(), &world(triggers)).unwrap();
    image_of(&lowered.graph).history.into_iter().map(|entry| entry.created_by).collect()
}

#[test]
fn triggers_of_an_image_run_first() {
    let triggers = ["COPY . /src", "RUN <<EOF\nmake\nEOF", "ENV A=1"];
    assert_eq!(
        history_on(&triggers, "FROM base\nENV B=$A"),
        ["COPY . /src # buildkit", "RUN /bin/sh -c make\n # buildkit", "ENV A=1", "ENV B=1"]
    );
    // They are spent: the image carries none, and grandchildren run none.
    let lowered = run("FROM base AS a\nFROM a\nRUN x", &options(), &world(&["RUN t"])).unwrap();
    let op = image_of(&lowered.graph);
    assert_eq!(op.config.on_build, [""; 0]);
    assert_eq!(op.history.len(), 2);
}

#[test]
fn triggers_of_a_stage_run_in_its_children() {
    let text = "FROM debian AS a\nONBUILD RUN t\nRUN a\nFROM a AS b\nRUN b\nFROM b\nRUN c";
    assert_eq!(
        history(text),
        [
            "RUN /bin/sh -c a # buildkit",
            "RUN /bin/sh -c t # buildkit",
            "RUN /bin/sh -c b # buildkit",
            "RUN /bin/sh -c c # buildkit"
        ]
    );
    // The stage itself keeps them for others.
    assert_eq!(image("FROM debian AS a\nonbuild  RUN  t \\\n  u").config.on_build, ["RUN  t   u"]);
}

#[test]
fn triggers_may_need_stages_and_images() {
    let text = "FROM debian AS x\nRUN made\nFROM base";
    let lowered =
        run(text, &options(), &world(&["COPY --from=x a b", "RUN --mount=from=alpine,target=/m y"])).unwrap();
    let printed = print(&lowered.graph);
    assert!(printed.contains("\"made\"") && printed.contains("alpine"), "{printed}");
    assert!(printed.contains("[stage-1 2/3] ONBUILD COPY --from=x a b"), "{printed}");
}

#[test]
fn broken_triggers() {
    let text = "FROM base\nRUN x";
    let found = run(text, &options(), &world(&["RUN a", "NONSENSE x"])).unwrap_err();
    let codes: Vec<&str> = found.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["E0219", "E0102"]);
}
