//! `imgc plan`: what a build would do, without doing it.

use std::io::Write;

use imgc_base::event::Silent;

use crate::command::build;
use crate::command::build::prepare::{Prepared, Request};
use crate::failure::Failure;
use crate::session::Session;

/// Show what a build would do
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the optimiser did, pass by pass
    #[arg(long)]
    passes: bool,
    /// How: text, json, dot, mermaid, or graph (the form that parses again)
    #[arg(long, default_value = "text", value_parser = ["text", "json", "dot", "mermaid", "graph"])]
    format: String,
    #[command(flatten)]
    build: build::Args,
}

/// Prints the plan.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let client = session.client()?;
    build::call::refuse(&args.build)?;
    let request = Request::read(session, &store, &args.build)?;
    let bases = request.bases(session, &store, client.as_ref(), &Silent, args.build.pull);
    let prepared = Prepared::new(&args.build, &request, &bases)?;
    let graph = &prepared.optimised.graph;
    let text = match args.format.as_str() {
        "json" => imgc_graph::json::print(graph),
        "dot" => imgc_graph::dot::print(graph),
        "mermaid" => imgc_graph::mermaid::print(graph),
        "graph" => imgc_graph::text::print(graph),
        _ => imgc_graph::tree::print(graph),
    };
    let mut out = std::io::stdout().lock();
    write!(out, "{text}")?;
    if args.passes {
        for report in &prepared.optimised.reports {
            writeln!(out, "\n{report}")?;
        }
    }
    Ok(0)
}
