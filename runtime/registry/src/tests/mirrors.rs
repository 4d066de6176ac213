//! Mirrors: asked first, trusted with nothing.

use super::{
    Case, MANIFEST_URL, check, get_by_digest, get_layer, layer, layer_descriptor, layer_url, manifest,
    manifest_answer,
};
use crate::testing::{Answer, Fault, World};
use crate::{Config, Kind, Settings};

fn mirrored(config: Config) -> Config {
    let settings = Settings { mirrors: vec!["https://mirror.test/cache".into()], ..Settings::default() };
    config.with_settings("reg.test", settings)
}

fn at_mirror(world: &World, answer: Answer) {
    world.on("GET https://mirror.test/*", [answer]);
}

#[test]
fn mirrors() {
    check(vec![
        Case::new("first", |world| at_mirror(world, manifest_answer()), Ok(manifest()))
            .config(mirrored)
            .then(|world| {
                assert_eq!(world.lines(), ["GET https://mirror.test/cache/v2/team/app/manifests/1"]);
            }),
        Case::new(
            "does not have it",
            |world| {
                at_mirror(world, Answer::new(404));
                world.on(MANIFEST_URL, [manifest_answer()]);
            },
            Ok(manifest()),
        )
        .config(mirrored),
        Case::new(
            "is down",
            |world| {
                world.on(MANIFEST_URL, [manifest_answer()]);
            },
            Ok(manifest()),
        )
        .config(mirrored)
        .then(|world| assert!(world.ears.heard()[0].contains("mirror.test"))),
        Case::new(
            "wants a password",
            |world| {
                at_mirror(world, Answer::new(401).header("WWW-Authenticate", "Basic realm=\"x\""));
                world.on(MANIFEST_URL, [manifest_answer()]);
            },
            Ok(manifest()),
        )
        .config(mirrored),
        Case::new(
            "wants a token from the registry's token server",
            |world| {
                at_mirror(world, super::wants_token());
                world.on(
                    "GET https://auth.reg.test/token",
                    [Answer::new(200).body(br#"{"token":"anonymous-one"}"#)],
                );
                world.on(MANIFEST_URL, [manifest_answer()]);
            },
            Ok(manifest()),
        )
        .config(mirrored),
        Case::new(
            "sends another manifest",
            |world| {
                at_mirror(world, Answer::new(200).body(br#"{"schemaVersion":2,"manifests":[]}"#));
                world.on("GET https://reg.test/*", [manifest_answer()]);
            },
            Ok(manifest()),
        )
        .config(mirrored)
        .run(get_by_digest),
        Case::new(
            "sends a wrong layer",
            |world| {
                let mut wrong = layer();
                wrong[0] ^= 1;
                at_mirror(world, Answer::new(200).body(&wrong));
                world.on(&layer_url(), [Answer::new(200).body(&layer())]);
            },
            Ok(layer()),
        )
        .config(mirrored)
        .run(get_layer),
        Case::new(
            "breaks in the middle of a layer",
            |world| {
                world.on(
                    &format!("GET https://mirror.test/cache/v2/team/app/blobs/{}", layer_descriptor().digest),
                    [Answer::new(200).body(&layer()).fault(Fault::Cut(10_000)), Answer::new(403)],
                );
                world.on(
                    &layer_url(),
                    [Answer::new(206)
                        .header("Content-Range", "bytes 10000-39999/40000")
                        .body(&layer()[10_000..])],
                );
            },
            Ok(layer()),
        )
        .config(mirrored)
        .run(get_layer),
        Case::new(
            "neither has it",
            |world| {
                at_mirror(world, Answer::new(404));
                world.on(MANIFEST_URL, [Answer::new(403)]);
            },
            Err(Kind::Denied),
        )
        .config(mirrored),
        Case::new(
            "pushes go to the registry",
            |world| {
                world.on("PUT https://reg.test/*", [Answer::new(201)]);
            },
            Ok(Vec::new()),
        )
        .config(mirrored)
        .run(|client| {
            client
                .push_manifest(&super::tagged(), imgc_image::manifest::media::MANIFEST, &manifest())
                .map(|_| Vec::new())
        }),
    ]);
}
