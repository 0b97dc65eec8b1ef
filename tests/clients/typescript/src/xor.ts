// SPDX-License-Identifier: Apache-2.0

// Trains XOR on a backpropd and follows its weights, bit for bit.
//
// Usage: node dist/src/xor.js HOST:PORT

import { promisify } from "node:util";

import { credentials } from "@grpc/grpc-js";

import { Activation, type DeepPartial, Loss, SessionSpec } from "../generated/backprop/v1/network.js";
import {
  CreateSessionRequest,
  type CreateSessionResponse,
  DeltaDetail,
  DeleteSessionRequest,
  GetWeightsRequest,
  type GetWeightsResponse,
  PredictRequest,
  type PredictResponse,
  TrainingServiceClient,
  TrainRequest,
  type TrainResponse,
} from "../generated/backprop/v1/training_service.js";
import { ErrorInfo } from "../generated/google/rpc/error_details.js";

const EPOCHS = 500;
const INPUTS = [0, 0, 0, 1, 1, 0, 1, 1];
const TARGETS = [0, 1, 1, 0];

const SPEC: DeepPartial<SessionSpec> = {
  inputSize: 2,
  layers: [
    { size: 8, activation: Activation.ACTIVATION_TANH },
    { size: 1, activation: Activation.ACTIVATION_SIGMOID },
  ],
  loss: Loss.LOSS_BINARY_CROSS_ENTROPY,
  optimiser: { sgd: {}, learningRate: 0.5 },
  initialiser: { seed: 2n },
};

/** Floats as they travel: little-endian float32. */
function bytesOf(values: number[], times = 1): Buffer {
  const once = Buffer.alloc(4 * values.length);
  values.forEach((value, at) => once.writeFloatLE(value, 4 * at));
  return Buffer.concat(Array<Buffer>(times).fill(once));
}

function floatsOf(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(4 * at));
}

function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

/** A copy of the weights that adds what the server added. */
class Follower {
  readonly errors: number[] = [];

  constructor(
    public step: bigint,
    readonly weights: number[],
  ) {}

  apply(response: TrainResponse): void {
    demand(response.baseStep === this.step, `deltas from step ${response.baseStep} for a copy at step ${this.step}`);
    floatsOf(response.deltas).forEach((delta, number) => {
      const at = number % this.weights.length;
      this.weights[at] = Math.fround(this.weights[at]! + delta);
    });
    this.step = response.step;
    this.errors.push(...response.errors);
  }
}

/** All weights, with the step that they are of. */
async function anchor(client: TrainingServiceClient, sessionId: string): Promise<Follower> {
  let step = 0n;
  const weights: number[] = [];
  const chunks: AsyncIterable<GetWeightsResponse> = client.getWeights(GetWeightsRequest.fromPartial({ sessionId }));
  for await (const chunk of chunks) {
    step = chunk.step;
    weights.push(...floatsOf(chunk.weights));
  }
  return new Follower(step, weights);
}

/** Looks for the reason of a refusal in its details. */
function checkGap(response: TrainResponse): void {
  const infos = (response.rejection?.details ?? [])
    .filter((detail) => detail.typeUrl.endsWith("/google.rpc.ErrorInfo"))
    .map((detail) => ErrorInfo.decode(detail.value));
  demand(infos[0]?.reason === "OFFSET_GAP", `no OFFSET_GAP in ${JSON.stringify(infos)}`);
}

/** Sends every sample EPOCHS times in one message, then one that leaves samples out. */
async function train(client: TrainingServiceClient, sessionId: string, copy: Follower): Promise<void> {
  const stream = client.train();
  const responses: AsyncIterable<TrainResponse> = stream;
  stream.write(TrainRequest.fromPartial({ sessionId, options: { deltas: DeltaDetail.DELTA_DETAIL_DENSE } }));
  stream.write(TrainRequest.fromPartial({ inputs: bytesOf(INPUTS, EPOCHS), targets: bytesOf(TARGETS, EPOCHS) }));
  stream.write(TrainRequest.fromPartial({ offset: 1n << 40n, inputs: bytesOf(INPUTS), targets: bytesOf(TARGETS) }));
  stream.end();
  for await (const response of responses) {
    if (response.messageNumber === 2n) return checkGap(response);
    demand(response.rejection === undefined, `refused: ${response.rejection?.message}`);
    copy.apply(response);
  }
  throw new Error("the stream ended before the last answer");
}

/** Wants each output on its target's side, with little doubt. */
function checkOutputs(outputs: number[]): void {
  demand(outputs.length === TARGETS.length, `${outputs.length} outputs`);
  outputs.forEach((output, at) => {
    demand(Math.abs(output - TARGETS[at]!) < 0.1, `output ${at} is ${output}, not nearly ${TARGETS[at]}`);
  });
}

async function run(client: TrainingServiceClient): Promise<string> {
  const create = promisify<CreateSessionRequest, CreateSessionResponse>(client.createSession.bind(client));
  const predict = promisify<PredictRequest, PredictResponse>(client.predict.bind(client));
  const remove = promisify<DeleteSessionRequest, unknown>(client.deleteSession.bind(client));

  const { session } = await create(CreateSessionRequest.fromPartial({ spec: SPEC }));
  demand(session !== undefined, "no session came");
  const { sessionId } = session;
  const copy = await anchor(client, sessionId);
  await train(client, sessionId, copy);
  const server = await anchor(client, sessionId);
  const same = bytesOf(server.weights).equals(bytesOf(copy.weights));
  demand(
    same && server.step === copy.step && server.step === BigInt(4 * EPOCHS),
    `the copy at step ${copy.step} is not the server's at step ${server.step}`,
  );
  checkOutputs((await predict(PredictRequest.fromPartial({ sessionId, values: INPUTS }))).outputs);
  await remove(DeleteSessionRequest.fromPartial({ sessionId }));
  const [first, last] = [copy.errors[0]!, copy.errors.at(-1)!].map((error) => error.toPrecision(3));
  return `TypeScript: XOR learnt in ${server.step} steps, error ${first} to ${last}, the copy has the server's bits`;
}

const [address, ...rest] = process.argv.slice(2);
demand(address !== undefined && rest.length === 0, "usage: xor.js HOST:PORT");
const client = new TrainingServiceClient(address, credentials.createInsecure());
try {
  console.log(await run(client));
} finally {
  client.close();
}
