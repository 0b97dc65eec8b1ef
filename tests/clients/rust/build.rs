// SPDX-License-Identifier: Apache-2.0

//! Makes the client from the protocol; PROTO is the folder that holds it.

use std::env;
use std::io::Result;
use std::path::PathBuf;

fn main() -> Result<()> {
    println!("cargo::rerun-if-env-changed=PROTO");
    let folder = PathBuf::from(env::var("PROTO").expect("PROTO names the folder of the protocol"));
    let protos = ["backprop/v1/training_service.proto", "google/rpc/error_details.proto"];
    tonic_prost_build::configure()
        .build_server(false)
        .include_file("protocol.rs")
        .compile_protos(&protos.map(|name| folder.join(name)), &[folder])
}
