// SPDX-License-Identifier: Apache-2.0

//! Trains XOR on a backpropd and follows its weights, bit for bit.
//!
//! Usage: xor HOST:PORT

use std::env;
use std::error::Error;

use prost::Message;
use tonic::transport::Channel;

use backprop::v1::training_service_client::TrainingServiceClient;
use backprop::v1::{
    Activation, CreateSessionRequest, DeleteSessionRequest, DeltaDetail, GetWeightsRequest, Initialiser, Layer, Loss,
    Optimiser, PredictRequest, SessionSpec, Sgd, TrainOptions, TrainRequest, TrainResponse, optimiser,
};
use google::rpc::ErrorInfo;

tonic::include_proto!("protocol");

type Outcome<T> = Result<T, Box<dyn Error>>;
type Client = TrainingServiceClient<Channel>;

const EPOCHS: usize = 500;
const INPUTS: [f32; 8] = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
const TARGETS: [f32; 4] = [0.0, 1.0, 1.0, 0.0];

/// Floats as they travel: little-endian float32.
fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn floats_of(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks();
    numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

/// A net of 2-8-1.
fn spec() -> SessionSpec {
    let layer = |size, activation: Activation| Layer { size, activation: activation.into(), ..Default::default() };
    SessionSpec {
        input_size: 2,
        layers: vec![layer(8, Activation::Tanh), layer(1, Activation::Sigmoid)],
        loss: Loss::BinaryCrossEntropy.into(),
        optimiser: Some(Optimiser {
            kind: Some(optimiser::Kind::Sgd(Sgd::default())),
            learning_rate: 0.5,
            ..Default::default()
        }),
        initialiser: Some(Initialiser { seed: 2, ..Default::default() }),
        ..Default::default()
    }
}

/// A copy of the weights that adds what the server added.
#[derive(Default)]
struct Follower {
    step: u64,
    weights: Vec<f32>,
    errors: Vec<f32>,
}

impl Follower {
    /// All weights, with the step that they are of.
    async fn at_anchor(client: &mut Client, session_id: &str) -> Outcome<Self> {
        let request = GetWeightsRequest { session_id: session_id.into(), ..Default::default() };
        let mut chunks = client.get_weights(request).await?.into_inner();
        let mut copy = Self::default();
        while let Some(chunk) = chunks.message().await? {
            copy.step = chunk.step;
            copy.weights.extend(floats_of(&chunk.weights));
        }
        Ok(copy)
    }

    fn apply(&mut self, response: &TrainResponse) -> Outcome<()> {
        if response.base_step != self.step {
            return Err(format!("deltas from step {} for a copy at step {}", response.base_step, self.step).into());
        }
        for row in floats_of(&response.deltas).chunks(self.weights.len()) {
            for (weight, delta) in self.weights.iter_mut().zip(row) {
                *weight += delta;
            }
        }
        self.step = response.step;
        self.errors.extend(&response.errors);
        Ok(())
    }
}

/// Looks for the reason of a refusal in its details.
fn check_gap(response: &TrainResponse) -> Outcome<()> {
    let details = response.rejection.iter().flat_map(|rejection| &rejection.details);
    for detail in details.filter(|detail| detail.type_url.ends_with("/google.rpc.ErrorInfo")) {
        if ErrorInfo::decode(detail.value.as_slice())?.reason == "OFFSET_GAP" {
            return Ok(());
        }
    }
    Err(format!("no OFFSET_GAP in {response:?}").into())
}

/// Sends every sample EPOCHS times in one message, then one that leaves samples out.
async fn train(client: &mut Client, session_id: &str, copy: &mut Follower) -> Outcome<()> {
    let options = TrainOptions { deltas: DeltaDetail::Dense.into(), ..Default::default() };
    let opening = TrainRequest { session_id: session_id.into(), options: Some(options), ..Default::default() };
    let samples = TrainRequest {
        inputs: bytes_of(&INPUTS).repeat(EPOCHS),
        targets: bytes_of(&TARGETS).repeat(EPOCHS),
        ..Default::default()
    };
    let gap = TrainRequest {
        offset: Some(1 << 40),
        inputs: bytes_of(&INPUTS),
        targets: bytes_of(&TARGETS),
        ..Default::default()
    };
    let requests = tokio_stream::iter([opening, samples, gap]);
    let mut responses = client.train(requests).await?.into_inner();
    while let Some(response) = responses.message().await? {
        if response.message_number == 2 {
            return check_gap(&response);
        }
        if let Some(rejection) = response.rejection {
            return Err(format!("refused: {}", rejection.message).into());
        }
        copy.apply(&response)?;
    }
    Err("the stream ended before the last answer".into())
}

/// Wants each output on its target's side, with little doubt.
async fn check_outputs(client: &mut Client, session_id: &str) -> Outcome<()> {
    let request = PredictRequest { session_id: session_id.into(), values: INPUTS.to_vec(), ..Default::default() };
    let outputs = client.predict(request).await?.into_inner().outputs;
    let near = outputs.iter().zip(TARGETS).filter(|(output, target)| (*output - target).abs() < 0.1).count();
    if (near, outputs.len()) != (TARGETS.len(), TARGETS.len()) {
        return Err(format!("the outputs are {outputs:?}, not nearly {TARGETS:?}").into());
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let address = env::args().nth(1).ok_or("usage: xor HOST:PORT")?;
    let mut client = Client::connect(format!("http://{address}")).await?;
    let request = CreateSessionRequest { spec: Some(spec()), ..Default::default() };
    let made = client.create_session(request).await?.into_inner();
    let session_id = made.session.ok_or("no session came")?.session_id;

    let mut copy = Follower::at_anchor(&mut client, &session_id).await?;
    train(&mut client, &session_id, &mut copy).await?;
    let server = Follower::at_anchor(&mut client, &session_id).await?;
    let expected = (server.step, bytes_of(&server.weights));
    if server.step != 4 * EPOCHS as u64 || (copy.step, bytes_of(&copy.weights)) != expected {
        return Err(format!("the copy at step {} is not the server's at step {}", copy.step, server.step).into());
    }
    check_outputs(&mut client, &session_id).await?;
    client.delete_session(DeleteSessionRequest { session_id }).await?;
    println!(
        "Rust: XOR learnt in {} steps, error {:.3} to {:.3e}, the copy has the server's bits",
        copy.step,
        copy.errors[0],
        copy.errors[copy.errors.len() - 1],
    );
    Ok(())
}
