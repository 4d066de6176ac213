//! Causes: a build compared with an image, the page of a comparison, the step that made a file.

use imgc_testkit::Place;
use serde_json::Value;

use crate::place;

const TEXT: &str = "FROM busybox AS tools\nRUN echo tool > /tool && mkdir /d && echo x > /d/x\n\
    FROM busybox\nCOPY hello.txt /srv/\nRUN echo one > /made; echo keep > /kept\nRUN echo two > /made; chmod 600 /kept\n\
    COPY --from=tools /tool /d /opt/\nRUN rm /etc/group\nCMD [\"sh\"]\n";

fn ready(test: &str) -> Option<Place> {
    let place = place();
    if !place.with_busybox(test) {
        return None;
    }
    place.write("ctx/hello.txt", "hello\n");
    place.write("ctx/Dockerfile", TEXT);
    Some(place)
}

fn json(place: &Place, args: &[&str], code: i32) -> Value {
    let all: Vec<&str> = ["--json"].iter().chain(args).copied().collect();
    let done = place.imgc(&all).fails_with(code);
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", done.stdout))
}

#[test]
fn a_build_is_compared_with_an_image() {
    let Some(place) = ready("a_build_is_compared_with_an_image") else { return };
    let digest = place.build(TEXT, &["-t", "app:1", "-o", "type=oci,dest=layout"]);
    place.imgc(&["save", "app:1", "-o", "app.tar"]).ok();
    for image in ["app:1", &digest, "oci:layout", "archive:app.tar"] {
        let same = json(&place, &["verify", "--against", image, "ctx"], 0);
        assert_eq!(
            (&same["same"], &same["against"]["digest"]),
            (&true.into(), &digest.as_str().into()),
            "{image}"
        );
        assert_eq!(same["builds"].as_array().unwrap().len(), 1);
    }
    // Nothing but the form: other layers, equal files and config.
    place.build(TEXT, &["-O0", "-t", "app:flat"]);
    let found = place.imgc(&["verify", "--against", "app:flat", "ctx"]).fails_with(6);
    found.prints("different: app:flat is sha256:").prints("files and config are equal");

    let changed = TEXT.replace("echo two", "echo 2").replace("CMD [\"sh\"]", "CMD [\"ls\"]");
    place.write("ctx/Dockerfile", changed);
    let found = json(&place, &["verify", "--against", "app:1", "ctx"], 6);
    let difference = &found["difference"];
    assert_eq!(
        (&difference["step"], &difference["files"][0]["path"]),
        (&"Dockerfile#5".into(), &"/made".into())
    );
    assert_eq!(difference["files"][0]["bytes"]["before"], "two");
    let fields: Vec<&str> =
        difference["config"].as_array().unwrap().iter().filter_map(|field| field["name"].as_str()).collect();
    assert!(fields.contains(&"config.Cmd"), "{fields:?}");
    // Of several builds the image is compared with each.
    let found = json(&place, &["verify", "--against", "app:1", "--times", "3", "ctx"], 6);
    assert_eq!(found["builds"].as_array().unwrap().len(), 1);
    place.imgc(&["verify", "--against", "no:such", "ctx"]).fails_with(1).says("there is no image");
    place.imgc(&["verify", "--against", "oci:nothing", "ctx"]).fails_with(2).says("no OCI layout");
    place.imgc(&["verify", "--times", "1", "ctx"]).fails_with(2).says("compared with nothing");
}

#[test]
fn a_difference_is_a_page() {
    let Some(place) = ready("a_difference_is_a_page") else { return };
    let same = place.imgc(&["verify", "-o", "html", "--vary", "jobs", "ctx"]).ok();
    assert!(same.stdout.contains("<h1 class=\"good\">Reproducible</h1>"), "{}", same.stdout);
    let random = "FROM busybox\nRUN echo fixed > /fixed\nRUN head -c 16 /dev/urandom > '/<b>'; date +%s > /now\nRUN cat /now > /later\n";
    place.write("ctx/Dockerfile", random);
    let found =
        place.imgc(&["verify", "--vary", "time", "-o", "out.html", "-o", "out.json", "ctx"]).fails_with(6);
    found.prints("first different step: Dockerfile#3");
    let page = fs_err::read_to_string(place.path("out.html")).unwrap();
    for text in ["Not reproducible", "/&lt;b&gt;", "time</b>: ", "random</b>: ", "stand on it: Dockerfile#4"]
    {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    assert!(!page.contains("<b>'") && !page.contains("http://") && !page.contains("https://"));
    let data: Value = serde_json::from_slice(&fs_err::read(place.path("out.json")).unwrap()).unwrap();
    assert_eq!(data["same"], false);
    place.imgc(&["verify", "-o", "what", "ctx"]).fails_with(2).says("is no format");
}

#[test]
fn the_order_of_directories_is_varied_or_refused_aloud() {
    let Some(place) = ready("the_order_of_directories_is_varied_or_refused_aloud") else { return };
    let text =
        "FROM busybox\nRUN mkdir d; for n in $(seq 40); do touch d/file$n; done; sync; find d > /order\n";
    place.write("ctx/Dockerfile", text);
    let done = place.imgc(&["--json", "verify", "--vary", "readdir", "ctx"]);
    let found: Value = serde_json::from_str(&done.stdout).unwrap();
    if found["varied"].as_array().unwrap().is_empty() {
        assert_eq!((done.code, &found["notVaried"][0]["what"]), (0, &"readdir".into()));
        return;
    }
    // Another kind of file system has another order; the cause is named.
    assert_eq!(done.code, 6, "{}", done.stdout);
    let file = &found["difference"]["files"][0];
    assert_eq!((&file["path"], &file["bytes"]["meaning"]), (&"/order".into(), &"order".into()));
    place.write("ctx/Dockerfile", text.replace("find d", "find d | sort"));
    place.imgc(&["verify", "--vary", "readdir", "ctx"]).ok();
}

#[test]
fn why_names_the_step_that_made_a_file() {
    let Some(place) = ready("why_names_the_step_that_made_a_file") else { return };
    place.imgc(&["why", "--image", "/made", "ctx"]).fails_with(1).says("no build of `ctx`");
    place.build(TEXT, &[]);
    let made = json(&place, &["why", "--image", "/made", "ctx"], 0);
    let steps: Vec<(&str, &str)> = made["images"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["step"].as_str().unwrap(), step["did"].as_str().unwrap()))
        .collect();
    assert_eq!(steps, [("Dockerfile#6", "wrote"), ("Dockerfile#5", "wrote")]);
    place
        .imgc(&["why", "--image", "/kept", "ctx"])
        .ok()
        .prints("wrote by Dockerfile#6")
        .prints("before that wrote");
    // What comes from another stage was copied by this one.
    place.imgc(&["why", "--image", "opt/x", "ctx"]).ok().prints("COPY --from=tools");
    place.imgc(&["why", "--image", "/etc/group", "ctx"]).ok().prints("removed by Dockerfile#8");
    for path in ["/etc/passwd", "/d/x", "/nothing"] {
        place.imgc(&["why", "--image", path, "ctx"]).fails_with(1).says("no step of the last build wrote");
    }
    place.imgc(&["why"]).fails_with(1).says("no build of `.` is remembered");
}

#[test]
fn builds_before_the_last_one_can_be_compared() {
    let Some(place) = ready("builds_before_the_last_one_can_be_compared") else { return };
    for text in ["one", "two", "three"] {
        place.build(&TEXT.replace("echo two", &format!("echo {text}")), &[]);
    }
    let args = |against: &'static str| ["why", "#6", "--against", against, "ctx"];
    let changed =
        |found: &Value| found["steps"][0]["changed"][0]["before"].as_str().unwrap_or_default().to_owned();
    let last = json(&place, &["why", "#6", "ctx"], 0);
    assert!(changed(&last).contains("echo two"), "{last}");
    assert_eq!(last["against"], json(&place, &args("1"), 0)["against"]);
    let two = json(&place, &args("2"), 0);
    assert!(changed(&two).contains("echo one"), "{two}");
    let name = two["against"].as_str().unwrap();
    assert_eq!(json(&place, &["why", "#6", "--against", name, "ctx"], 0), two);
    place.imgc(&args("3")).fails_with(2).says("no earlier build `3`").says("1: ").says("2: ");
}
