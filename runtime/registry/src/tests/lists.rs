//! Lists, referrers, deleting, searching.

use imgc_base::digest::BlobDigest;
use imgc_image::Descriptor;
use imgc_image::manifest::media;

use super::{Case, by_digest, check, manifest, tagged};
use crate::testing::Answer;
use crate::{Client, Error, Kind};

const TAGS: &str = "GET https://reg.test/v2/team/app/tags/list";

fn tags(client: &Client) -> Result<Vec<u8>, Error> {
    client.tags(&tagged()).map(|tags| tags.join(",").into_bytes())
}

fn page(tags: &str, next: Option<&str>) -> Answer {
    let answer = Answer::new(200).body(format!(r#"{{"name":"team/app","tags":{tags}}}"#).as_bytes());
    match next {
        Some(next) => answer.header("Link", &format!("<{next}>; rel=\"next\"")),
        None => answer,
    }
}

#[test]
fn pages() {
    check(vec![
        Case::new(
            "one page",
            |world| {
                world.on(TAGS, [page(r#"["1","2"]"#, None)]);
            },
            Ok(b"1,2".to_vec()),
        )
        .run(tags),
        Case::new(
            "no tags",
            |world| {
                world.on(TAGS, [page("null", None)]);
            },
            Ok(Vec::new()),
        )
        .run(tags),
        Case::new(
            "three pages",
            |world| {
                world.on(
                    TAGS,
                    [
                        page(r#"["1"]"#, Some("/v2/team/app/tags/list?last=1")),
                        page(r#"["2"]"#, Some("https://reg.test/v2/team/app/tags/list?last=2")),
                        page(r#"["3"]"#, None),
                    ],
                );
            },
            Ok(b"1,2,3".to_vec()),
        )
        .run(tags),
        Case::new(
            "links as others write them",
            |world| {
                let tags = |tag: &str| Answer::new(200).body(format!(r#"{{"tags":["{tag}"]}}"#).as_bytes());
                world.on(
                    TAGS,
                    [
                        tags("1")
                            .header("Link", "</v2/team/app/tags/list?last=1,0>; title=\"a, b\"; Rel=Next"),
                        tags("2")
                            .header("Link", "</help>; rel=\"help\"")
                            .header("link", "<?last=2>;rel=\"last next\""),
                        tags("3").header("Link", "<http://reg.test/v2/team/app/tags/list?last=3>; rel=next"),
                        tags("4")
                            .header("Link", "</v2/team/app/tags/list?last=4>; rel=\"prev\"; rel=\"next\""),
                    ],
                );
            },
            Ok(b"1,2,3,4".to_vec()),
        )
        .run(tags)
        .then(|world| {
            let asked: Vec<String> = world.seen().iter().map(|seen| seen.path.clone()).collect();
            assert!(asked[1].ends_with("?last=1,0") && asked[3].ends_with("?last=3"), "{asked:?}");
        }),
        Case::new(
            "the next page is elsewhere",
            |world| {
                world.on(TAGS, [page(r#"["1"]"#, Some("https://evil.test/v2/x"))]);
            },
            Err(Kind::Refused),
        )
        .run(tags),
        Case::new(
            "a page that names itself",
            |world| {
                world.on(TAGS, [page(r#"["1"]"#, Some("/v2/team/app/tags/list?n=1000"))]);
            },
            Err(Kind::Protocol),
        )
        .run(tags),
        Case::new(
            "a page without entries ends the list",
            |world| {
                world.on(
                    TAGS,
                    [page(r#"["1"]"#, Some("?a=1")), page("[]", Some("?a=2")), page(r#"["3"]"#, None)],
                );
            },
            Ok(b"1".to_vec()),
        )
        .run(tags),
        Case::new(
            "names that would write to the terminal",
            |world| {
                world.on(TAGS, [page(r#"["1","\u001b[2J","a b","../x",""]"#, None)]);
            },
            Ok(b"1".to_vec()),
        )
        .run(tags),
        Case::new(
            "a page that is too large",
            |world| {
                world.on(TAGS, [Answer::new(200).body(&vec![b' '; (4 << 20) + 1])]);
            },
            Err(Kind::Limit),
        )
        .run(tags),
        Case::new(
            "no JSON",
            |world| {
                world.on(TAGS, [Answer::new(200).body(b"<p>")]);
            },
            Err(Kind::Protocol),
        )
        .run(tags),
        Case::new(
            "no such repository",
            |world| {
                world.on(TAGS, [Answer::new(404)]);
            },
            Err(Kind::NotFound),
        )
        .run(tags),
        Case::new(
            "the catalog",
            |world| {
                world.on(
                    "GET https://reg.test/v2/_catalog",
                    [Answer::new(200).body(br#"{"repositories":["a/b","Evil\n","c"]}"#)],
                );
            },
            Ok(b"a/b,c".to_vec()),
        )
        .run(|client| client.catalog("reg.test").map(|names| names.join(",").into_bytes())),
        Case::new(
            "search in the catalog",
            |world| {
                world.on(
                    "GET https://reg.test/v2/_catalog",
                    [Answer::new(200).body(br#"{"repositories":["a/b","c/bb","d"]}"#)],
                );
            },
            Ok(b"a/b,c/bb".to_vec()),
        )
        .run(|client| search(client, "reg.test")),
        Case::new(
            "search where there is no catalog",
            |world| {
                world.on(
                    "GET https://reg.test/v1/search",
                    [Answer::new(200).body(br#"{"results":[{"name":"x/y"}]}"#)],
                );
            },
            Ok(b"x/y".to_vec()),
        )
        .run(|client| search(client, "reg.test")),
        Case::new(
            "search in Docker Hub",
            |world| {
                world.on("GET https://index.docker.io/v1/search", [Answer::new(200).body(
                br#"{"results":[{"name":"debian","is_official":true,"star_count":5,"description":null}]}"#)]);
            },
            Ok(b"debian".to_vec()),
        )
        .run(|client| search(client, "docker.io")),
    ]);
}

fn search(client: &Client, registry: &str) -> Result<Vec<u8>, Error> {
    let found = client.search(registry, "b", 25)?;
    Ok(found.into_iter().map(|found| found.name).collect::<Vec<_>>().join(",").into_bytes())
}

fn referrers(client: &Client) -> Result<Vec<u8>, Error> {
    let found = client.referrers(&tagged(), &BlobDigest::of(&manifest()), Some("application/x-signature"))?;
    Ok(found.len().to_string().into_bytes())
}

fn index() -> Answer {
    let entry = |kind: &str, of: &[u8]| Descriptor {
        artifact_type: Some(kind.to_owned()),
        ..Descriptor::of(media::MANIFEST, of)
    };
    let text = serde_json::json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [
        entry("application/x-signature", b"1"), entry("application/x-sbom", b"2") ] });
    Answer::new(200).header("Content-Type", media::INDEX).body(text.to_string().as_bytes())
}

#[test]
fn of_an_image() {
    check(vec![
        Case::new(
            "a list that is not filtered",
            |world| {
                world.on("GET https://reg.test/*", [index()]);
            },
            Ok(b"1".to_vec()),
        )
        .run(referrers),
        Case::new(
            "the tag instead of the list",
            |world| {
                let tag = format!("sha256-{}", BlobDigest::of(&manifest()).hex());
                world.on(&format!("GET https://reg.test/v2/team/app/manifests/{tag}"), [index()]);
            },
            Ok(b"1".to_vec()),
        )
        .run(referrers),
        Case::new(
            "neither",
            |world| {
                world.serve_at("https://reg.test", None);
            },
            Ok(b"0".to_vec()),
        )
        .run(referrers),
        Case::new(
            "a list that is a manifest",
            |world| {
                world.on("GET https://reg.test/*", [super::manifest_answer()]);
            },
            Err(Kind::Protocol),
        )
        .run(referrers),
        Case::new(
            "deleted",
            |world| {
                world.on("DELETE https://reg.test/*", [Answer::new(202)]);
            },
            Ok(Vec::new()),
        )
        .run(|client| client.delete(&by_digest()).map(|()| Vec::new())),
        Case::new(
            "tags are not deleted here",
            |world| {
                world.on(
                    "DELETE https://reg.test/*",
                    [Answer::new(405).body(br#"{"errors":[{"code":"UNSUPPORTED","message":"no"}]}"#)],
                );
            },
            Err(Kind::Unsupported),
        )
        .run(|client| client.delete(&tagged()).map(|()| Vec::new())),
        Case::new(
            "a redirect of a delete",
            |world| {
                world.on(
                    "DELETE https://reg.test/*",
                    [Answer::new(307).header("Location", "https://evil.test/")],
                );
            },
            Err(Kind::Refused),
        )
        .run(|client| client.delete(&by_digest()).map(|()| Vec::new())),
    ]);
}
