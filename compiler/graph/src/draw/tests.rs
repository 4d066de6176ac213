//! Tests of the drawings.

use proptest::prelude::*;

use super::layout::{HEIGHT, WIDTH, layout};
use super::*;
use crate::{arbitrary, text};

fn sample() -> Graph {
    text::parse(text::tests::SAMPLE).unwrap()
}

#[test]
fn draws_the_sample() {
    let graph = sample();
    let mut drawing = Drawing::default();
    let second = graph.nodes().nth(2).unwrap();
    drawing.marks.insert(second, Mark { look: Look::Cached, note: "cached <1 s".into(), critical: true });
    let svg = svg(&graph, &drawing);
    let without_style = svg.split("</style>").last().unwrap().to_owned();
    insta::assert_snapshot!(without_style);
}

#[test]
fn a_page_is_self_contained_and_escaped() {
    let source = text::tests::SAMPLE.replace("RUN make", "RUN <script>alert(1)</script> & \\\"x\\\"");
    let graph = text::parse(&source).unwrap();
    let drawing = Drawing::default();
    let panel = Panel { title: "A & B", caption: "", graph: &graph, drawing: &drawing };
    let page = page("T", &[panel, panel], &[("Passes", "a < b")]);
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("RUN &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot;"));
    // The name of SVG is an address that nobody opens.
    assert!(!page.replace("http://www.w3.org/2000/svg", "").contains("http://"));
    assert!(!page.contains("https://"));
    assert!(page.contains("A &amp; B") && page.contains("a &lt; b"));
}

#[test]
fn five_hundred_nodes_stay_under_a_megabyte() {
    use std::fmt::Write as _;
    let mut source = String::from("imgc-graph 1\n%0 = scratch\n%1 = context\n");
    for number in 2..500 {
        let below = if number % 50 == 2 { 0 } else { number - 1 };
        writeln!(
            source,
            "%{number} = exec %{below} {{\n step \"stage{}#{number}\"\n title \"[stage 1/2] RUN do something of usual length {number}\"\n \
             args [\"/bin/sh\" \"-c\" \"do something of usual length {number}\"]\n env \"PATH\" \"/usr/local/sbin:/usr/bin\"\n}}",
            number / 50
        )
        .unwrap();
    }
    source.push_str("target %499\n");
    let graph = text::parse(&source).unwrap();
    let drawing = Drawing::default();
    let page = page("T", &[Panel { title: "", caption: "", graph: &graph, drawing: &drawing }], &[]);
    assert!(page.len() < 1 << 20, "{} bytes", page.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn boxes_do_not_overlap_and_edges_cross_none(graph in arbitrary::graph()) {
        let layout = layout(&graph);
        let boxes: Vec<(i32, i32)> = layout.boxes.values().copied().collect();
        for (at, a) in boxes.iter().enumerate() {
            prop_assert!(a.0 >= 0 && a.1 >= 0 && a.0 + WIDTH <= layout.width && a.1 + HEIGHT <= layout.height);
            for b in &boxes[at + 1..] {
                prop_assert!((a.0 - b.0).abs() >= WIDTH || (a.1 - b.1).abs() >= HEIGHT, "{:?} {:?}", a, b);
            }
        }
        for edge in &layout.edges {
            prop_assert!(layout.boxes[&edge.from].1 < layout.boxes[&edge.to].1, "an edge goes up");
            for pair in edge.points.windows(2) {
                let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
                prop_assert!(ax == bx || ay == by, "a slanted piece");
                for (id, (x, y)) in &layout.boxes {
                    let strictly_inside =
                        ax.min(bx) < x + WIDTH && ax.max(bx) > *x && ay.min(by) < y + HEIGHT && ay.max(by) > *y;
                    prop_assert!(!strictly_inside, "{:?} crosses {:?}", edge, id);
                }
            }
        }
    }

    #[test]
    fn every_graph_draws(graph in arbitrary::graph()) {
        let drawing = Drawing::default();
        let svg = svg(&graph, &drawing);
        prop_assert_eq!(svg.matches("data-node").count(), graph.len());
        prop_assert!(svg.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
    }
}
