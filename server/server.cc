// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "backprop/v1/training_service.pb.h"
#include "engine/kernels/blas_check.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "server/calls/get_server_info.h"
#include "server/calls/idle_sessions.h"
#include "server/calls/service_context.h"
#include "server/options/address.h"
#include "server/rpc/library_log.h"
#include "server/rpc/open_streams.h"
#include "server/rpc/pulse.h"
#include "server/rpc/reflection.h"
#include "server/rpc/training_service.h"
#include "server/server_store.h"
#include "server/sessions/compute_pool.h"
#include "server/sessions/session_table.h"
#include "server/sessions/undurable.h"

namespace backprop {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A peer that no longer answers, as after a lost network, keeps its stream and
// so its session for no longer than these two together.
constexpr milliseconds kKeepaliveTime = seconds(30);
constexpr milliseconds kKeepaliveTimeout = seconds(10);
// Clients may send keepalives of their own so often.
constexpr milliseconds kClientPingInterval = seconds(10);

// From the goodbyes to the end of what still runs. A client that doesn't read
// its connection makes Shutdown wait for all of it: so do gRPC's blocking
// clients while they have no call.
constexpr seconds kCutOff(5);

// Calls of one connection at once, open Train streams among them. Each costs
// the server some kilobytes however little it does.
constexpr int kMostCallsOfAConnection = 4096;

void SetConnectionLimits(grpc::ServerBuilder& builder) {
  const auto set = [&builder](const char* argument, int64_t value) {
    builder.AddChannelArgument(argument, static_cast<int>(value));
  };
  set(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMostCallsOfAConnection);
  set(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTime.count());
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeout.count());
  set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no limit
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      kClientPingInterval.count());
}

// What arrives is taken as it is: two megabytes of gzip would unfold to
// gigabytes before the limit of a message is looked at.
void RefuseCompression(grpc::ServerBuilder& builder) {
  for (const grpc_compression_algorithm algorithm :
       {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
}

// The full name of the service that stands in the message's file. The message's
// code, and so the file's description for reflection, is linked in with it also
// where nothing else of ours refers to it.
template <class Message>
std::string ServiceBeside() {
  return Message::descriptor()->file()->service(0)->full_name();
}

std::vector<std::string> ReflectedServices() {
  return {ServiceBeside<v1::GetSessionRequest>(),
          ServiceBeside<grpc::health::v1::HealthCheckRequest>(),
          ServiceBeside<grpc::reflection::v1::ServerReflectionRequest>(),
          ServiceBeside<grpc::reflection::v1alpha::ServerReflectionRequest>()};
}

}  // namespace

// In the order of construction: what stands above outlives what stands below.
struct Server::State {
  State(const ServerOptions& options_, Metrics& metrics)
      : options(options_),
        undurable(options.max_undurable_bytes),
        sessions(
            {options.max_sessions, options.max_total_weights},
            [this] { return NewFeed(); }, NewDurable(),
            [this](const Session& session) { Evicted(session); }),
        context(options, metrics, sessions, pool,
                [](ServiceContext& services) {
                  TidySessions(services, std::chrono::system_clock::now());
                }),
        pool(options.compute_threads,
             [&metrics](double waited) { metrics.RecordQueueWait(waited); }),
        training(MakeTrainingService(context, streams)),
        reflection(MakeReflectionService(ReflectedServices())),
        reflection_v1alpha(MakeReflectionV1AlphaService(ReflectedServices())) {}

  const ServerOptions options;
  const ComputeLabels compute_labels = GetComputeLabels();
  Undurable undurable;  // above all that may be the last to have a session
  SessionTable sessions;
  std::unique_ptr<ServerStore> store;  // null: sessions are in memory only
  OpenStreams streams;
  ServiceContext context;
  ComputePool pool;  // below what turns use: it joins before that goes
  const std::unique_ptr<grpc::Service> training;
  const std::unique_ptr<grpc::Service> reflection;
  const std::unique_ptr<grpc::Service> reflection_v1alpha;
  std::string address;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<Pulse> pulse;
  std::atomic<bool> ready = false;

  ~State() {
    context.housekeeping.Stop();  // the pool, which it uses, goes before it
    if (store != nullptr) store->Stop();
  }

  // Before anything is served.
  absl::Status OpenStore(Metrics& metrics);
  void Drain(seconds grace);
  std::shared_ptr<DeltaFeed> NewFeed();
  SessionTable::NewDurable NewDurable();
  void Evicted(const Session& session);
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const ServerOptions& options, Metrics* metrics) {
  absl::StatusOr<HostPort> address = ParseHostPort(options.grpc_address);
  if (!address.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--grpc-address: ", address.status().message()));
  }
  TakeLibraryLogs();
  if (absl::Status status = CheckBlas(); !status.ok()) return status;
  auto state = std::make_unique<State>(options, *metrics);
  metrics->DescribeBuild(state->compute_labels);
  if (absl::Status status = state->OpenStore(*metrics); !status.ok()) {
    return status;
  }

  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.grpc_address,
                           grpc::InsecureServerCredentials(), &port);
  // Else a second server would share the port, and with it the clients.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  SetConnectionLimits(builder);
  RefuseCompression(builder);
  builder.RegisterService(state->training.get());
  builder.RegisterService(state->reflection.get());
  builder.RegisterService(state->reflection_v1alpha.get());
  state->server = builder.BuildAndStart();
  if (state->server == nullptr || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("--grpc-address: cannot listen on ", options.grpc_address,
                     "; is the port taken, or the address another machine's?"));
  }
  address->port = static_cast<uint16_t>(port);
  state->address = FormatHostPort(*address);
  state->server->GetHealthCheckService()->SetServingStatus(
      ServiceBeside<v1::GetSessionRequest>(), true);
  state->pulse = std::make_unique<Pulse>(
      state->server->InProcessChannel(grpc::ChannelArguments()));
  state->ready = true;
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

Server::~Server() { state_->Drain(seconds(0)); }

const std::string& Server::grpc_address() const { return state_->address; }

const ComputeLabels& Server::compute_labels() const {
  return state_->compute_labels;
}

bool Server::ready() const { return state_->ready; }

std::shared_ptr<grpc::Channel> Server::InProcessChannel() {
  return state_->server->InProcessChannel(grpc::ChannelArguments());
}

void Server::Drain() { state_->Drain(seconds(state_->options.drain_seconds)); }

std::shared_ptr<DeltaFeed> Server::State::NewFeed() {
  return std::make_shared<DeltaFeed>(
      options.max_watched_bytes, [this](std::function<void()> tell) {
        pool.Submit([tell = std::move(tell)](Worker&) { tell(); });
      });
}

SessionTable::NewDurable Server::State::NewDurable() {
  if (options.data_dir.empty()) return nullptr;
  return [this](const SessionSpec& spec, const Layout& layout) {
    return store->NewDurable(spec, layout);
  };
}

void Server::State::Evicted(const Session& session) {
  context.metrics.SessionEvicted(session.layout().weight_count());
  context.housekeeping.SomethingFreed();
}

absl::Status Server::State::OpenStore(Metrics& metrics) {
  if (options.data_dir.empty()) {
    context.complete = true;
    return absl::OkStatus();
  }
  auto opened = ServerStore::Open(options, pool, metrics, undurable);
  if (!opened.ok()) {
    return absl::Status(
        opened.status().code(),
        absl::StrCat("--data-dir: ", opened.status().message()));
  }
  store = *std::move(opened);
  context.committer = &store->committer();
  context.reader = &store->reader();
  absl::Status status = store->BringBack(sessions);
  if (!status.ok()) return status;
  context.loader = &store->loader();
  context.complete = true;
  return status;
}

void Server::State::Drain(seconds grace) {
  if (!ready.exchange(false)) return;
  // All services, the server itself ("") among them.
  server->GetHealthCheckService()->SetServingStatus(false);
  std::this_thread::sleep_for(grace);
  context.draining = true;  // before the goodbyes: no stream may come between
  const auto cut_off = std::chrono::system_clock::now() + kCutOff;
  streams.SayGoodbye();
  // Shutdown cuts calls of in-process channels off at once.
  streams.AwaitEnd(cut_off);
  pulse.reset();
  server->Shutdown(cut_off);
  context.housekeeping.Stop();
  if (store != nullptr) store->Stop();
}

}  // namespace backprop
