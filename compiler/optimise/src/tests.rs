//! Whole runs of the optimiser, on small graphs as a Dockerfile gives them.

mod simulate;

use imgc_base::config::ContainerConfig;
use imgc_base::digest::{BlobDigest, DiffId};
use imgc_base::path::ImagePath;
use imgc_base::platform::Platform;
use imgc_graph::{
    Copy, CopyFrom, Exec, FileAction, FileOp, ImageOp, Network, Node, Op, Origin, OwnerSpec, PlannedHistory,
    Security, Source, Unpack, chain,
};

use super::*;

/// Builds graphs in the order of a Dockerfile.
pub(crate) struct Build {
    pub(crate) graph: Graph,
    line: usize,
    context: NodeId,
}

impl Build {
    pub(crate) fn new() -> Self {
        let mut graph = Graph::new();
        let op = Op::Source(Source::Context { name: String::new(), ignore: Vec::new() });
        let context = graph.add(node(op, ""), &[]);
        Self { graph, line: 1, context }
    }

    pub(crate) fn base(&mut self, name: &str, layers: usize) -> NodeId {
        let layers = (0..layers).map(|n| DiffId::of(format!("{name} {n}").as_bytes())).collect();
        let digest = BlobDigest::of(name.as_bytes());
        let platform = Platform::new("linux", "amd64", "");
        let op = Op::Source(Source::Image { reference: name.into(), digest, platform, layers });
        self.graph.add(node(op, ""), &[])
    }

    fn step(&mut self, stage: &str) -> String {
        self.line += 1;
        format!("{stage}#{}", self.line)
    }

    pub(crate) fn run(&mut self, stage: &str, root: NodeId, text: &str) -> NodeId {
        let exec = Exec {
            args: vec!["/bin/sh".into(), "-c".into(), text.into()],
            env: vec![("PATH".into(), "/bin".into())],
            cwd: ImagePath::root(),
            user: String::new(),
            mounts: Vec::new(),
            scripts: Vec::new(),
            network: Network::Default,
            security: Security::Sandbox,
            hostname: "build".into(),
        };
        let step = self.step(stage);
        self.graph.add(node(Op::Exec(exec), &step), &[root])
    }

    pub(crate) fn copy(&mut self, stage: &str, root: NodeId, sources: &[&str]) -> NodeId {
        let context = self.context;
        self.copy_with(stage, root, context, sources, |_| {})
    }

    pub(crate) fn copy_with(
        &mut self,
        stage: &str,
        root: NodeId,
        from: NodeId,
        sources: &[&str],
        change: impl FnOnce(&mut Copy),
    ) -> NodeId {
        let mut copy = Copy {
            from: CopyFrom { input: 1, foreign: true },
            sources: sources.iter().map(|&s| s.to_owned()).collect(),
            dest: ImagePath::clean("app").unwrap(),
            into_dir: true,
            owner: None,
            chmod: None,
            unpack: Unpack::Never,
            link: false,
            parents: false,
            exclude: Vec::new(),
        };
        change(&mut copy);
        let op = Op::File(FileOp { actions: vec![FileAction::Copy(Box::new(copy))] });
        let step = self.step(stage);
        self.graph.add(node(op, &step), &[root, from])
    }

    pub(crate) fn workdir(&mut self, stage: &str, root: NodeId, path: &str) -> NodeId {
        let path = ImagePath::clean(path).unwrap();
        let op = Op::File(FileOp { actions: vec![FileAction::MakeDir { path, owner: None }] });
        let step = self.step(stage);
        self.graph.add(node(op, &step), &[root])
    }

    pub(crate) fn image(&mut self, root: NodeId) -> NodeId {
        let history = chain::of(&self.graph, root)
            .steps
            .into_iter()
            .map(|step| PlannedHistory { created_by: "x".into(), node: Some(step) })
            .collect();
        let op = Op::Image(Box::new(ImageOp {
            platform: Platform::new("linux", "amd64", ""),
            config: ContainerConfig::default(),
            author: None,
            base_history: Vec::new(),
            history,
            annotations: BTreeMap::new(),
            base: None,
        }));
        let id = self.graph.add(node(op, ""), &[root]);
        self.graph.add_target(id);
        id
    }
}

fn node(op: Op, step: &str) -> Node {
    let origin = Origin { step: step.to_owned(), ..Origin::default() };
    Node { op, platform: Platform::new("linux", "amd64", ""), origin }
}

fn at(level: Level) -> Options {
    Options { level, ..Options::default() }
}

/// The groups of an image by the lines of their steps.
fn layers(done: &Optimised, image: NodeId) -> Vec<String> {
    let names = |group: &LayerGroup| {
        group.steps.iter().map(|&id| report::name(&done.graph, id)).collect::<Vec<_>>().join(" ")
    };
    done.plans[&image].groups.iter().map(names).collect()
}

#[test]
fn a_usual_dockerfile() {
    let mut b = Build::new();
    let base = b.base("python", 4);
    let a = b.run("app", base, "apt-get update");
    let a = b.run("app", a, "apt-get install -y libpq5");
    let a = b.run("app", a, "rm -rf /var/lib/apt/lists/*");
    let a = b.workdir("app", a, "/app");
    let a = b.copy("app", a, &["requirements.txt"]);
    let a = b.run("app", a, "pip install -r requirements.txt");
    let a = b.copy("app", a, &["."]);
    let image = b.image(a);
    let done = optimise(&b.graph, &at(Level::O1));
    assert_eq!(layers(&done, image), ["app#2 app#3 app#4 app#5", "app#6 app#7", "app#8"]);
    assert_eq!(done.plans[&image].layers(), 7);
    assert_eq!(layers(&optimise(&b.graph, &at(Level::O0)), image).len(), 7);
    let squash = Options { squash: true, ..at(Level::O0) };
    assert_eq!(layers(&optimise(&b.graph, &squash), image).len(), 1);
    let text: Vec<String> = done.reports.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn packages_after_the_application_have_a_layer_of_their_own() {
    let mut b = Build::new();
    let base = b.base("debian", 1);
    let a = b.copy("app", base, &["."]);
    let a = b.run("app", a, "make");
    let a = b.run("app", a, "apt-get update");
    let a = b.run("app", a, "apt-get install -y x && rm -rf /var/lib/apt/lists/*");
    let a = b.run("app", a, "useradd app");
    let a = b.copy("app", a, &["entry.sh"]);
    let a = b.run("app", a, "chmod +x /entry.sh");
    let image = b.image(a);
    let done = optimise(&b.graph, &at(Level::O1));
    assert_eq!(layers(&done, image), ["app#2 app#3", "app#4 app#5 app#6", "app#7 app#8"]);
}

#[test]
fn images_on_one_stage_share_its_layers() {
    let mut b = Build::new();
    let base = b.base("debian", 1);
    let common = b.run("common", base, "make tools");
    let x = b.run("x", common, "make x");
    let y = b.run("y", common, "make y");
    let x = b.image(x);
    let both_y = b.image(y);
    let both = optimise(&b.graph, &at(Level::O1));
    assert_eq!(layers(&both, x), ["common#2", "x#3"]);
    assert_eq!(layers(&both, both_y), ["common#2", "y#4"]);
}

#[test]
fn a_copy_from_another_stage_is_as_volatile_as_that_stage() {
    let mut b = Build::new();
    let base = b.base("golang", 2);
    let src = b.copy("build", base, &["."]);
    let built = b.run("build", src, "go build");
    let tools = b.base("tools", 1);
    let slim = b.base("debian", 1);
    let a = b.run("app", slim, "useradd app");
    let a = b.copy_with("app", a, tools, &["/bin/tini"], |_| {});
    let a = b.copy_with("app", a, built, &["/app/server"], |_| {});
    let image = b.image(a);
    let done = optimise(&b.graph, &at(Level::O1));
    assert_eq!(layers(&done, image), ["app#4 app#5", "app#6"]);
}

#[test]
fn drops_and_shares() {
    let mut b = Build::new();
    let base = b.base("debian", 1);
    let again = b.base("debian", 1);
    let one = b.run("one", base, "make");
    let two = b.run("two", again, "make");
    let two_more = b.run("two", two, "make more");
    let _unused = b.run("unused", base, "make nothing");
    let first = b.image(one);
    let second = b.image(two_more);
    let done = optimise(&b.graph, &at(Level::O0));
    assert!(!done.graph.contains(two) && !done.graph.contains(again));
    assert_eq!(done.graph.len(), 5);
    assert_eq!(done.graph.inputs(two_more), [one]);
    assert_eq!(done.graph.targets(), [first, second]);
    assert_eq!(done.plans[&second].groups[0].steps, [one]);
    let Op::Image(image) = &done.graph.node(second).op else { panic!() };
    assert_eq!(image.history.iter().map(|h| h.node).collect::<Vec<_>>(), [Some(one), Some(two_more)]);
}

#[test]
fn the_layers_of_an_image_do_not_depend_on_what_else_is_built() {
    let build = |with_other: bool| {
        let mut b = Build::new();
        let base = b.base("debian", 1);
        if with_other {
            let other = b.run("other", base, "make a");
            b.image(other);
        }
        b.line = 10;
        let a = b.run("app", base, "make a");
        let a = b.run("app", a, "make b");
        let image = b.image(a);
        optimise(&b.graph, &at(Level::O1)).plans[&image]
            .groups
            .iter()
            .map(|g| g.steps.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(build(false), [2]);
    assert_eq!(build(true), [2]);
}

#[test]
fn finds_what_needs_no_root_and_what_shares_a_sandbox() {
    let mut b = Build::new();
    let base = b.base("debian", 1);
    let a = b.run("app", base, "one");
    let c = b.run("app", a, "two");
    let context = b.context;
    let owner = |user: &str| Some(OwnerSpec { user: user.into(), group: None });
    let linked = b.copy_with("app", c, context, &["x"], |copy| copy.link = true);
    let numeric = b.copy_with("app", linked, context, &["x"], |copy| {
        copy.link = true;
        copy.owner = owner("1000");
    });
    let named = b.copy_with("app", numeric, context, &["x"], |copy| {
        copy.link = true;
        copy.owner = owner("app");
    });
    b.image(named);
    let done = optimise(&b.graph, &at(Level::O1));
    assert_eq!(done.independent, BTreeSet::from([linked, numeric]));
    assert_eq!(done.fused, [[a, c]]);
}

#[test]
fn a_merge_stacks_its_inputs_and_keeps_whole_trees() {
    let mut b = Build::new();
    let base = b.base("debian", 3);
    let extra = b.base("tools", 4);
    let lower = b.run("app", base, "one");
    let merged = b.graph.add(node(Op::Merge, ""), &[lower, extra]);
    let upper = b.run("app", merged, "two");
    let image = b.image(upper);
    for level in [Level::O0, Level::O1] {
        let plan = &optimise(&b.graph, &at(level)).plans[&image];
        let groups: Vec<_> = plan.groups.iter().map(|group| (group.steps.clone(), group.tree)).collect();
        assert_eq!(groups, [(vec![lower], None), (vec![extra], Some(4)), (vec![upper], None)]);
        assert_eq!(plan.layers(), 9);
    }
}

/// A build with three images, a dropped stage and equal stages.
fn large() -> Build {
    let mut b = Build::new();
    let context = b.context;
    let rust = b.base("rust:1.95", 5);
    let a = b.run(
        "build",
        rust,
        "apt-get update && apt-get install -y --no-install-recommends pkg-config libssl-dev",
    );
    let a = b.workdir("build", a, "/src");
    let a = b.copy("build", a, &["Cargo.toml", "Cargo.lock"]);
    let a = b.run("build", a, "cargo fetch --locked");
    let a = b.copy("build", a, &["src"]);
    let built = b.run("build", a, "cargo build --release --locked --target-dir /target");
    let node = b.base("node:22", 4);
    let page = b.copy("web", node, &["package.json", "package-lock.json"]);
    let page = b.run("web", page, "npm ci");
    let page = b.copy("web", page, &["web"]);
    let web = b.run("web", page, "npm run build");
    let _unused = b.run("docs", node, "npm install -g mdbook");
    let slim = b.base("debian:13-slim", 1);
    let tools = b.run("common", slim, "apt-get update");
    let tools = b.run("common", tools, "apt-get install -y ca-certificates libssl3");
    let common = b.run("common", tools, "rm -rf /var/lib/apt/lists/*");
    let copy_bin = |b: &mut Build, stage: &str, root| {
        b.copy_with(stage, root, built, &["/target/release/server"], |copy| copy.link = true)
    };
    let server = copy_bin(&mut b, "server", common);
    let server = b.copy_with("server", server, web, &["/web/dist"], |_| {});
    b.image(server);
    let again = b.base("debian:13-slim", 1);
    let worker = b.run("worker", again, "apt-get update");
    let worker = b.run("worker", worker, "apt-get install -y ca-certificates libssl3");
    let worker = copy_bin(&mut b, "worker", worker);
    let worker = b.copy_with("worker", worker, context, &["worker.toml"], |_| {});
    b.image(worker);
    b
}

#[test]
fn the_page_shows_what_became_of_each_node() {
    let b = large();
    let done = optimise(&b.graph, &at(Level::O1));
    let page = draw::html("before and after", &b.graph, &done);
    if let Some(file) = option_env!("IMGC_PAGE") {
        std::io::Write::write_all(&mut std::fs::File::create(file).unwrap(), page.as_bytes()).unwrap();
    }
    assert_eq!(page.matches("class=\"node").count(), b.graph.len() + done.graph.len());
    for text in ["not needed", "= common#", "does not wait", "same sandbox", "layer 2", "4 layers"] {
        assert!(page.contains(text), "{text}");
    }
}
