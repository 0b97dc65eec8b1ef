// SPDX-License-Identifier: Apache-2.0

// Trains XOR on a backpropd and follows its weights, bit for bit.
//
// Usage: xor HOST:PORT
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "example.com/xor/backprop/v1"
)

const epochs = 500

var (
	inputs  = []float32{0, 0, 0, 1, 1, 0, 1, 1}
	targets = []float32{0, 1, 1, 0}
)

// numbers turns floats into the bytes that travel: little-endian float32.
func numbers(values []float32) []byte {
	var buffer bytes.Buffer
	_ = binary.Write(&buffer, binary.LittleEndian, values)
	return buffer.Bytes()
}

// floats is the way back.
func floats(data []byte) []float32 {
	values := make([]float32, len(data)/4)
	_ = binary.Read(bytes.NewReader(data), binary.LittleEndian, values)
	return values
}

// createSession makes a net of 2-8-1.
func createSession(ctx context.Context, client pb.TrainingServiceClient) (*pb.Session, error) {
	made, err := client.CreateSession(ctx, &pb.CreateSessionRequest{Spec: &pb.SessionSpec{
		InputSize: 2,
		Layers: []*pb.Layer{
			{Size: 8, Activation: pb.Activation_ACTIVATION_TANH},
			{Size: 1, Activation: pb.Activation_ACTIVATION_SIGMOID},
		},
		Loss: pb.Loss_LOSS_BINARY_CROSS_ENTROPY,
		Optimiser: &pb.Optimiser{
			Kind:         &pb.Optimiser_Sgd{Sgd: &pb.Sgd{}},
			LearningRate: 0.5,
		},
		Initialiser: &pb.Initialiser{Seed: 2},
	}})
	if err != nil {
		return nil, err
	}
	return made.Session, nil
}

// anchor fetches all weights, with the step that they are of.
func anchor(ctx context.Context, client pb.TrainingServiceClient, session string) (uint64, []float32, error) {
	call, err := client.GetWeights(ctx, &pb.GetWeightsRequest{SessionId: session})
	if err != nil {
		return 0, nil, err
	}
	var step uint64
	var weights []float32
	for {
		chunk, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return step, weights, nil
		}
		if err != nil {
			return 0, nil, err
		}
		step = chunk.Step
		weights = append(weights, floats(chunk.Weights)...)
	}
}

// follower is a copy of the weights that adds what the server added.
type follower struct {
	step    uint64
	weights []float32
	errors  []float32
}

func (f *follower) apply(response *pb.TrainResponse) error {
	if response.BaseStep != f.step {
		return fmt.Errorf("deltas from step %d for a copy at step %d", response.BaseStep, f.step)
	}
	for at, delta := range floats(response.Deltas) {
		f.weights[at%len(f.weights)] += delta
	}
	f.step = response.Step
	f.errors = append(f.errors, response.Errors...)
	return nil
}

// train sends every sample `epochs` times, in one message.
func train(ctx context.Context, client pb.TrainingServiceClient, session string, copied *follower) error {
	stream, err := client.Train(ctx)
	if err != nil {
		return err
	}
	samples := &pb.TrainRequest{
		Inputs:  bytes.Repeat(numbers(inputs), epochs),
		Targets: bytes.Repeat(numbers(targets), epochs),
	}
	gap := uint64(1 << 40)
	for _, request := range []*pb.TrainRequest{
		{SessionId: session, Options: &pb.TrainOptions{Deltas: pb.DeltaDetail_DELTA_DETAIL_DENSE}},
		samples,
		{Offset: &gap, Inputs: numbers(inputs), Targets: numbers(targets)},
	} {
		if err := stream.Send(request); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("the stream ended before the last answer: %w", err)
		}
		if response.MessageNumber == 2 {
			return checkGap(response)
		}
		if response.Rejection != nil {
			return fmt.Errorf("refused: %v", response.Rejection)
		}
		if err := copied.apply(response); err != nil {
			return err
		}
	}
}

// checkGap looks for the reason of a refusal in its details.
func checkGap(response *pb.TrainResponse) error {
	for _, detail := range response.Rejection.GetDetails() {
		info := &errdetails.ErrorInfo{}
		if detail.UnmarshalTo(info) == nil && info.Reason == "OFFSET_GAP" {
			return nil
		}
	}
	return fmt.Errorf("no OFFSET_GAP in %v", response)
}

// checkOutputs wants each output on its target's side, with little doubt.
func checkOutputs(ctx context.Context, client pb.TrainingServiceClient, session string) error {
	predicted, err := client.Predict(ctx, &pb.PredictRequest{SessionId: session, Values: inputs})
	if err != nil {
		return err
	}
	for i, output := range predicted.Outputs {
		if output < targets[i]-0.1 || output > targets[i]+0.1 {
			return fmt.Errorf("output %d is %v, not nearly %v", i, output, targets[i])
		}
	}
	return nil
}

func run(ctx context.Context, address string) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	client := pb.NewTrainingServiceClient(connection)
	session, err := createSession(ctx, client)
	if err != nil {
		return err
	}
	copied := &follower{}
	if copied.step, copied.weights, err = anchor(ctx, client, session.SessionId); err != nil {
		return err
	}
	if err := train(ctx, client, session.SessionId, copied); err != nil {
		return err
	}
	step, weights, err := anchor(ctx, client, session.SessionId)
	if err != nil {
		return err
	}
	if step != 4*epochs || step != copied.step || !bytes.Equal(numbers(weights), numbers(copied.weights)) {
		return fmt.Errorf("the copy at step %d is not the server's at step %d", copied.step, step)
	}
	if err := checkOutputs(ctx, client, session.SessionId); err != nil {
		return err
	}
	if _, err := client.DeleteSession(ctx, &pb.DeleteSessionRequest{SessionId: session.SessionId}); err != nil {
		return err
	}
	fmt.Printf("Go: XOR learnt in %d steps, error %.3g to %.3g, the copy has the server's bits\n",
		step, copied.errors[0], copied.errors[len(copied.errors)-1])
	return nil
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: xor HOST:PORT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
