// The emulation's own test: shuffles, ballots, atomics, tensor cores, asynchronous copies, graphs, and what
// must be refused.
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <exception>

// Nothing of LibTorch here: a kernel is launched as cuda/launch.h would.
#include "language/async_mma.h"
#include "language/cuda_on_cpu.h"

using namespace cuda_on_cpu;

namespace {

int failures = 0;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::printf("FAILED %s\n", what);
  ++failures;
}

template <typename T>
T* device_array(size_t count) {
  return static_cast<T*>(gpu_sim::allocate(count * sizeof(T), 0));
}

__global__ void reduce(const int* in, int n, int* out, unsigned* votes) {
  int sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) sum += in[i];
  for (int half = 16; half > 0; half /= 2) sum += __shfl_xor_sync(~0u, sum, half);
  const unsigned vote = __ballot_sync(~0u, threadIdx.x % 3 == 0);
  if (threadIdx.x % 32 == 0) {
    atomicAdd(out, sum);
    votes[threadIdx.x / 32] = vote;
  }
}

/// c `[16, 8]` = a `[16, 16]` times b `[8, 16]`^T, bf16, by one warp; a comes by asynchronous copies.
__global__ void product(const uint16_t* a, const uint16_t* b, float* c, bool wait) {
  RAT_SHARED(uint16_t, tile, 16 * 16);
  cp_async(tile + threadIdx.x * 8, a + threadIdx.x * 8, 16);
  cp_async_commit();
  if (wait) cp_async_wait(0);
  __syncthreads();
  const unsigned row = threadIdx.x / 4, column = threadIdx.x % 4 * 2;
  const auto pair = [](const uint16_t* p) { return p[0] | uint32_t{p[1]} << 16; };
  const uint32_t of_a[4] = {pair(tile + row * 16 + column), pair(tile + (row + 8) * 16 + column),
                            pair(tile + row * 16 + column + 8), pair(tile + (row + 8) * 16 + column + 8)};
  const uint32_t of_b[2] = {pair(b + row * 16 + column), pair(b + row * 16 + column + 8)};
  float d[4] = {};
  mma_m16n8k16(d, of_a, of_b);
  for (unsigned i = 0; i < 4; ++i) c[(row + (i >= 2 ? 8 : 0)) * 8 + column + i % 2] = d[i];
}

__global__ void divergent(int* out) {
  if (threadIdx.x < 7) {
    __syncthreads();
  } else {
    __syncthreads();
    *out = 1;
  }
}

__global__ void partial_warp(int* out) {
  if (threadIdx.x < 7)
    __syncwarp();
  else
    __syncthreads();
  *out = 1;
}

__global__ void write_each(int* out) { out[threadIdx.x] = 1; }

__global__ void add_to(int* sum, const int* in) { *sum += *in; }

void test_reduction(int* out) {
  int* in = device_array<int>(1000);
  unsigned* votes = device_array<unsigned>(4);
  for (int i = 0; i < 1000; ++i) gpu_sim::alias(in)[i] = i;
  *gpu_sim::alias(out) = 0;
  RAT_LAUNCH(reduce, 1, 128, in, 1000, out, votes);
  expect(*gpu_sim::alias(out) == 499500, "shuffles and atomics add up");
  expect(gpu_sim::alias(votes)[0] == 0x49249249u, "a ballot has a bit for each lane");
}

void test_product() {
  uint16_t *a = device_array<uint16_t>(256), *b = device_array<uint16_t>(128);
  float* c = device_array<float>(128);
  const auto bf16_of = [](int value) {
    return static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(value)) >> 16);
  };
  for (int i = 0; i < 256; ++i) gpu_sim::alias(a)[i] = bf16_of(i * 7 % 11 - 5);
  for (int i = 0; i < 128; ++i) gpu_sim::alias(b)[i] = bf16_of(i * 5 % 13 - 6);
  RAT_LAUNCH(product, 1, 32, a, b, c, true);
  bool equal = true;
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 8; ++n) {
      int sum = 0;
      for (int k = 0; k < 16; ++k) sum += ((m * 16 + k) * 7 % 11 - 5) * ((n * 16 + k) * 5 % 13 - 6);
      equal &= gpu_sim::alias(c)[m * 8 + n] == static_cast<float>(sum);
    }
  expect(equal, "a tensor core's product is that of integers");
#ifndef __SANITIZE_THREAD__
  RAT_LAUNCH(product, 1, 32, a, b, c, false);
  expect(std::isnan(gpu_sim::alias(c)[0]), "a forgotten wait reads NaN");
#endif
}

template <typename Act>
bool throws(Act act) {
  try {
    act();
  } catch (const std::exception&) {
    return true;
  }
  return false;
}

void test_graphs(int* sum) {
  gpu_sim::Graph graph;
  int* const in = device_array<int>(1);
  const auto value = [&] { return *gpu_sim::alias(sum); };
  *gpu_sim::alias(sum) = 5;
  *gpu_sim::alias(in) = 1;
  expect(throws([&] { gpu_sim::begin_recording(graph, gpu_sim::new_pool()); }),
         "the stream that all begin with cannot be recorded");
  const int64_t stream = gpu_sim::new_stream();
  gpu_sim::set_current_stream(0, stream);
  // Memory of the stream, which a recording leaves as it is.
  int* const own_sum = device_array<int>(1);
  *gpu_sim::alias(own_sum) = 2;
  gpu_sim::begin_recording(graph, gpu_sim::new_pool());
  RAT_LAUNCH(add_to, 1, 1, own_sum, in);
  int* const of_pool = device_array<int>(1);
  gpu_sim::release(of_pool);
  expect(device_array<int>(1) == of_pool, "a recording uses its memory again");
  for (const auto event : {gpu_sim::Event::kHostSync, gpu_sim::Event::kHostToDevice,
                           gpu_sim::Event::kHostToDeviceBlocking, gpu_sim::Event::kDeviceToHost})
    expect(throws([&] { gpu_sim::count(event, "test"); }), "a wait or a copy of the host is not recorded");
  gpu_sim::set_current_stream(0, gpu_sim::new_stream());
  RAT_LAUNCH(add_to, 1, 1, sum, in);
  expect(gpu_sim::recording() == nullptr && value() == 6, "another stream is not recorded");
  gpu_sim::set_current_stream(0, stream);
  gpu_sim::end_recording();
  expect(*gpu_sim::alias(own_sum) == 2, "what is recorded is not done");
  expect(device_array<int>(1) != of_pool, "a recording's memory is its own");
  *gpu_sim::alias(in) = 10;
  gpu_sim::replay(graph);
  gpu_sim::replay(graph);
  expect(*gpu_sim::alias(own_sum) == 22, "a replay takes what is there then");
  gpu_sim::set_current_stream(0, 0);
}

#ifndef __SANITIZE_THREAD__
/// Whether `act` ends a process: in a child, whose complaints go nowhere.
template <typename Act>
bool dies(Act act) {
  const pid_t child = fork();
  if (child == 0) {
    if (!std::freopen("/dev/null", "w", stderr)) _exit(0);
    act();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}

void test_refusals(int* out) {
  expect(!dies([&] { RAT_LAUNCH(write_each, 1, 1, out); }), "a kernel that is right goes through");
  expect(dies([&] { RAT_LAUNCH(divergent, 1, 32, out); }), "threads at two barriers are refused");
  expect(dies([&] { RAT_LAUNCH(partial_warp, 1, 32, out); }), "a warp that is not complete is refused");
  expect(dies([] {
           int local;
           RAT_LAUNCH(write_each, 1, 1, &local);
         }),
         "a host pointer is refused");
  int* const elsewhere = static_cast<int*>(gpu_sim::allocate(sizeof(int), 1));
  expect(dies([&] { RAT_LAUNCH(write_each, 1, 1, elsewhere); }), "another device's pointer is refused");
  expect(dies([&] { *out = 1; }), "host code that writes device memory dies");
  expect(dies([&] {
           RAT_LAUNCH(write_each, 1, 2, out);
           gpu_sim::release(out);
         }),
         "a write beyond a block is seen");
  gpu_sim::Graph graph;
  int* const given_up = device_array<int>(1);
  *gpu_sim::alias(given_up) = 3;
  gpu_sim::set_current_stream(0, gpu_sim::new_stream());
  gpu_sim::begin_recording(graph, gpu_sim::new_pool());
  RAT_LAUNCH(add_to, 1, 1, out, given_up);
  gpu_sim::end_recording();
  gpu_sim::set_current_stream(0, 0);
  const int before = *gpu_sim::alias(out);
  gpu_sim::release(given_up);
  expect(dies([&] {
           gpu_sim::replay(graph);
           if (*gpu_sim::alias(out) != before + 3) _exit(1);
         }),
         "a graph that reads memory that was given up is seen");
  int* const many = device_array<int>(2000);
  expect(dies([&] { RAT_LAUNCH(write_each, 1, 2000, many); }), "a block of 2,000 threads is refused");
}
#endif

}  // namespace

int main() {
  int* out = device_array<int>(1);
  test_reduction(out);
  test_product();
  test_graphs(out);
#ifndef __SANITIZE_THREAD__
  test_refusals(out);
#endif
  std::puts(failures == 0 ? "emulation: all well" : "emulation: failed");
  return failures != 0;
}
