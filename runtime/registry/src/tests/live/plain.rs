//! Plain HTTP on loopback: everything once.

use imgc_image::manifest::media;

use super::{Live, image, pull_all};
use crate::{Client, Config, Kind};

#[test]
fn everything_once() {
    let Some(live) = Live::start(|_| String::new()) else { return };
    let client = Client::new(Config::empty(live.dir.path()));
    let (blobs, root) = image();
    let name = live.reference("team/app:1");

    assert_eq!(client.manifest(&name).unwrap_err().kind(), Kind::NotFound);
    let report = client.push(&name, &root, &blobs, &[]).unwrap();
    assert_eq!((report.sent, report.present, report.mounted), (4, 0, 0));
    let report = client.push(&live.reference("team/app:2"), &root, &blobs, &[]).unwrap();
    assert_eq!((report.sent, report.sent_bytes, report.present), (0, 0, 4));
    let other = live.reference("other/app:1");
    let report = client.push(&other, &root, &blobs, &["team/app".to_owned()]).unwrap();
    assert_eq!((report.sent, report.mounted), (0, 4));

    assert_eq!(pull_all(&client, &name, &blobs), root);
    assert_eq!(client.resolve(&name).unwrap(), root);
    let by_digest = live.reference(&format!("team/app@{}", root.digest));
    assert_eq!(client.manifest(&by_digest).unwrap().0, root);
    let mut tags = client.tags(&name).unwrap();
    tags.sort();
    assert_eq!(tags, ["1", "2"]);
    assert_eq!(client.catalog(&live.registry()).unwrap(), ["other/app", "team/app"]);
    let found = client.search(&live.registry(), "oth", 10).unwrap();
    assert_eq!(found[0].name, "other/app");
    client.ping(&live.registry()).unwrap();

    let layer = super::super::layer_descriptor();
    assert!(!client.has_blob(&name, &layer).unwrap());
    assert!(!client.mount(&name, &layer, "other/app").unwrap());
    let bytes = super::super::layer();
    assert_eq!(client.push_blob(&name, &layer, &bytes.as_slice(), &[]).unwrap(), crate::Pushed::Sent);
    assert!(client.has_blob(&name, &layer).unwrap());
    client.delete_blob(&name, &layer.digest).unwrap();
    assert!(!client.has_blob(&name, &layer).unwrap());

    let wrong = imgc_image::Descriptor { digest: root.digest, ..layer };
    assert_eq!(
        client.push_blob(&name, &wrong, &bytes.as_slice(), &[]).unwrap_err().kind(),
        Kind::DigestMismatch
    );
    assert_eq!(client.push_manifest(&name, media::MANIFEST, b"{}").unwrap_err().kind(), Kind::Protocol);
    let unknown = super::super::manifest();
    let error = client.push_manifest(&name, media::MANIFEST, &unknown).unwrap_err();
    assert!(error.to_string().contains("MANIFEST_BLOB_UNKNOWN"), "{error}");

    let refused = client.delete(&name).unwrap_err();
    assert!(refused.help().unwrap().contains("by digest"), "{refused:?}");
    client.delete(&by_digest).unwrap();
    assert_eq!(client.manifest(&name).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(client.delete(&by_digest).unwrap_err().kind(), Kind::NotFound);
}

/// A registry without a referrers list: signatures are found by the stand-in tag.
#[test]
fn referrers_by_tag() {
    let Some(live) = Live::start(|_| String::new()) else { return };
    let client = Client::new(Config::empty(live.dir.path()));
    let (mut blobs, root) = image();
    let name = live.reference("team/app:1");
    client.push(&name, &root, &blobs, &[]).unwrap();
    let empty = blobs.add(media::EMPTY, b"{}".to_vec());
    let text = serde_json::json!({ "schemaVersion": 2, "mediaType": media::MANIFEST,
        "artifactType": "application/x-signature", "config": empty, "layers": [empty], "subject": root });
    let signature = blobs.add(media::MANIFEST, text.to_string().into_bytes());
    let at = live.reference(&format!("team/app@{}", signature.digest));
    client.push(&at, &signature, &blobs, &[]).unwrap();
    let found = client.referrers(&name, &root.digest, Some("application/x-signature")).unwrap();
    assert_eq!(found.iter().map(|entry| entry.digest).collect::<Vec<_>>(), [signature.digest]);
    assert!(client.referrers(&name, &root.digest, Some("application/x-other")).unwrap().is_empty());
}
