#include "core/float32_products.h"

#include <ATen/Context.h>

#include <mutex>

#include "core/check.h"

namespace rat {
namespace {

std::mutex mutex;
int64_t trainers = 0;  // of float on GPUs, that live
bool is_tf32 = false;  // what they chose

}  // namespace

Float32Products::Float32Products(at::Device device, at::ScalarType type, bool tf32)
    : counts_(device.is_cuda() && type == at::kFloat) {
  RAT_CHECK(counts_ || !tf32, "ERR_RAT_CONFIG", "tf32 is for products of float on a GPU");
  if (!counts_) return;
  const std::lock_guard lock(mutex);
  RAT_CHECK(trainers == 0 || tf32 == is_tf32, "ERR_RAT_CONFIG",
            "A trainer on a GPU lives that multiplies in ", is_tf32 ? "TF32" : "full fp32",
            ", and LibTorch has one choice for a whole process; dispose of it first");
  is_tf32 = tf32;
  at::globalContext().setAllowTF32CuBLAS(tf32);
  at::globalContext().setAllowTF32CuDNN(tf32);
  ++trainers;
}

Float32Products::~Float32Products() {
  if (!counts_) return;
  const std::lock_guard lock(mutex);
  --trainers;
}

}  // namespace rat
