//! `imgc import`: a flat root filesystem becomes an image of one layer.

use std::io::Read;

use imgc_base::Epoch;
use imgc_base::config::{ContainerConfig, History, ImageConfig, RootFs};
use imgc_base::platform::Platform;
use imgc_image::Descriptor;
use imgc_store::{Import, Store};

use crate::error::ExecuteError;
use crate::rfc3339::rfc3339;

/// Makes an image of a root filesystem's tar, plain or compressed.
pub fn flat(
    store: &Store,
    tar: impl Read,
    platform: &Platform,
    config: ContainerConfig,
    comment: Option<String>,
    epoch: Epoch,
) -> Result<Descriptor, ExecuteError> {
    let layer = store.import_layer(tar, &Import::default())?;
    let created = Some(rfc3339(epoch.seconds()));
    let config = ImageConfig {
        created: created.clone(),
        architecture: platform.arch.clone(),
        os: platform.os.clone(),
        variant: (!platform.variant.is_empty()).then(|| platform.variant.clone()),
        config,
        rootfs: RootFs { diff_ids: vec![layer.diff_id], ..RootFs::default() },
        history: vec![History {
            created,
            created_by: Some("imgc import".to_owned()),
            comment,
            ..History::default()
        }],
        ..ImageConfig::default()
    };
    let layers = vec![Descriptor::new(&layer.media_type, layer.digest, layer.size)];
    crate::kept::write(store, &config, layers)
}
