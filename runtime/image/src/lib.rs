//! Layers, compression, configs, manifests, layouts and archives.
