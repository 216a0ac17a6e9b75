#include "layers/attention.h"

#include "core/kernels.h"
#include "core/savings.h"

namespace rat {

at::Tensor attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                     int64_t heads, const Dropout& dropout, uint32_t layer) {
  if (!is_on(Saving::kPacked)) return padded_attention(qkv, first_queries, rows, heads, dropout, layer);
  return kernels::attention.on(qkv.device())(qkv, first_queries, rows, heads, dropout, layer);
}

}  // namespace rat
