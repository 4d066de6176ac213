//! Why a step ran again: the keys of two builds, component by component.

use imgc_base::canonical::Component;

use super::record::{BuildRecord, Step};

/// What is to be said about a step of the later of two builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// What happened.
    pub verdict: Verdict,
    /// Components of the key that differ.
    pub changed: Vec<Change>,
    /// Names of those that do not.
    pub same: Vec<String>,
    /// If its root differs: the step that made the difference.
    pub cause: Option<String>,
    /// The steps that use its result.
    pub followers: Vec<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The earlier build had no such step.
    New,
    /// Something that it depends on changed, and it ran.
    Rebuilt,
    /// Something that it depends on changed, and the result for that was known.
    KnownChange,
    /// It ran although nothing changed: `--no-cache`, or its result was collected.
    Again,
    /// Its result was known.
    Known,
}

/// One component that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `args`, `env PATH`, "source `app.py`".
    pub name: String,
    /// As it was shown in the earlier build; `None` if it was not there.
    pub before: Option<String>,
    /// As it is shown in the later build; `None` if it is not there.
    pub now: Option<String>,
}

/// Two builds of one thing, step by step.
#[derive(Debug)]
pub struct Builds<'a> {
    before: &'a BuildRecord,
    now: &'a BuildRecord,
    pairs: Vec<Option<usize>>,
}

impl<'a> Builds<'a> {
    /// Finds out which steps are the same lines.
    pub fn new(before: &'a BuildRecord, now: &'a BuildRecord) -> Self {
        Self { before, now, pairs: now.matched(before) }
    }

    /// The step of the earlier build that is the same line as a step of the later one.
    pub fn old(&self, number: usize) -> Option<&'a Step> {
        self.pairs.get(number).copied().flatten().map(|at| &self.before.steps[at])
    }

    /// Explains a step of the later build. `number` is its place there.
    pub fn explain(&self, number: usize) -> Why {
        let step = &self.now.steps[number];
        let followers =
            self.now.followers(number).into_iter().map(|at| self.now.steps[at].step.clone()).collect();
        let Some(old) = self.old(number) else {
            return Why {
                verdict: Verdict::New,
                changed: Vec::new(),
                same: Vec::new(),
                cause: None,
                followers,
            };
        };
        let (changed, same) = compare(&old.components, &step.components);
        let verdict = match (old.key == step.key, step.cached) {
            (true, true) => Verdict::Known,
            (true, false) => Verdict::Again,
            (false, true) => Verdict::KnownChange,
            (false, false) => Verdict::Rebuilt,
        };
        let rooted = changed.iter().any(|change| change.name == "root" || change.name == "time");
        let cause = if rooted { self.cause(step) } else { None };
        Why { verdict, changed, same, cause, followers }
    }

    /// Follows a root down to the first step whose layer differs from the earlier build's.
    fn cause(&self, step: &Step) -> Option<String> {
        let mut below = step.root;
        let mut first = None;
        while let Some(at) = below {
            let under = self.now.steps.get(at)?;
            if self.old(at).is_none_or(|old| old.layer != under.layer) {
                first = Some(under);
            }
            // Numbers go down, so this ends.
            below = under.root.filter(|&next| next < at);
        }
        first.map(|under| format!("{} {}", under.step, under.title))
    }
}

/// A name may stand in a key more than once: the first is compared with the first, the second with the second.
fn compare(before: &[Component], now: &[Component]) -> (Vec<Change>, Vec<String>) {
    let mut left: Vec<&Component> = before.iter().collect();
    let (mut changed, mut same) = (Vec::new(), Vec::new());
    for part in now {
        let found = left.iter().position(|old| old.name == part.name);
        match found.map(|at| left.remove(at)) {
            Some(old) if old.digest == part.digest => {
                if !same.contains(&part.name) {
                    same.push(part.name.clone());
                }
            }
            old => changed.push(Change {
                name: part.name.clone(),
                before: old.map(|old| old.shown.clone()),
                now: Some(part.shown.clone()),
            }),
        }
    }
    for part in left {
        changed.push(Change { name: part.name.clone(), before: Some(part.shown.clone()), now: None });
    }
    (changed, same)
}

#[cfg(test)]
mod tests {
    use imgc_base::ContentKey;
    use imgc_base::canonical::KeyBuilder;
    use imgc_base::digest::DiffId;

    use super::*;

    fn step(name: &str, title: &str, parts: &[(&str, &str)], root: Option<usize>, cached: bool) -> Step {
        let mut key = KeyBuilder::new("t");
        for (name, value) in parts {
            key.text(name, value);
        }
        let (digest, components) = key.finish();
        let layer = Some(DiffId::of(&digest));
        Step {
            step: name.to_owned(),
            title: title.to_owned(),
            platform: "linux/amd64".to_owned(),
            key: ContentKey::from_bytes(digest),
            components,
            layer,
            cached,
            millis: 1,
            root,
            inputs: root.into_iter().collect(),
        }
    }

    fn record(steps: Vec<Step>) -> BuildRecord {
        BuildRecord { v: BuildRecord::FORM, build: "b".to_owned(), when: 0, steps }
    }

    #[test]
    fn names_the_component_and_the_step_below() {
        let before = record(vec![
            step("a#2", "[a 1/2] COPY x .", &[("source `x`", "1")], None, false),
            step("a#3", "[a 2/2] RUN make", &[("args", "make"), ("root", "r1")], Some(0), false),
        ]);
        let now = record(vec![
            step("a#2", "[a 1/3] COPY x .", &[("source `x`", "2")], None, false),
            step("a#4", "[a 2/3] RUN make", &[("args", "make"), ("root", "r2")], Some(0), false),
            step("a#5", "[a 3/3] COPY new .", &[("source `new`", "1")], Some(1), false),
        ]);
        let copy = Builds::new(&before, &now).explain(0);
        assert_eq!(copy.verdict, Verdict::Rebuilt);
        assert_eq!(copy.changed[0].name, "source `x`");
        assert_eq!(copy.followers, ["a#4", "a#5"]);
        let make = Builds::new(&before, &now).explain(1);
        assert_eq!((make.changed[0].name.as_str(), make.same.as_slice()), ("root", &["args".to_owned()][..]));
        assert_eq!(make.cause.as_deref(), Some("a#2 [a 1/3] COPY x ."));
        assert_eq!(Builds::new(&before, &now).explain(2).verdict, Verdict::New);
        assert_eq!(Builds::new(&now, &now).explain(1).verdict, Verdict::Again);
    }

    #[test]
    fn edited_lines_that_moved_are_found() {
        let titles = |titles: &[&str], from: usize| {
            let line = |at: usize| format!("a#{}", from + at);
            record(
                titles
                    .iter()
                    .enumerate()
                    .map(|(at, t)| step(&line(at), t, &[("t", t)], None, false))
                    .collect(),
            )
        };
        let before =
            titles(&["[a 1/4] RUN one", "[a 2/4] COPY x .", "[a 3/4] RUN two", "[a 4/4] RUN three"], 2);
        let now =
            titles(&["[a 1/4] RUN one", "[a 2/4] COPY x y .", "[a 3/4] RUN twice", "[a 4/4] RUN three"], 7);
        assert_eq!(now.matched(&before), [Some(0), Some(1), Some(2), Some(3)]);
        let fewer = titles(&["[a 1/2] RUN three", "[a 2/2] RUN more"], 2);
        assert_eq!(fewer.matched(&before), [Some(3), None]);
    }

    #[test]
    fn a_name_may_stand_twice() {
        let parts = [("network", "default"), ("network", "on"), ("args", "x")];
        let before = record(vec![step("a#2", "RUN x", &parts, None, false)]);
        let now = record(vec![step(
            "a#2",
            "RUN x",
            &[("network", "default"), ("network", "none"), ("args", "x")],
            None,
            false,
        )]);
        let why = Builds::new(&before, &now).explain(0);
        assert_eq!(why.changed.len(), 1);
        assert_eq!(
            (why.changed[0].before.as_deref(), why.changed[0].now.as_deref()),
            (Some("on"), Some("none"))
        );
        assert_eq!(why.same, ["network", "args"]);
    }
}
