#include "trainer/operator_times.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>
#include <functional>
#include <map>

#include "core/check.h"
#include "core/matmul.h"
#include "layers/add_norm.h"
#include "layers/attention.h"
#include "layers/attention_pool.h"
#include "layers/conv_max_pool.h"
#include "layers/dropout.h"
#include "layers/embedding_norm.h"
#include "layers/linear.h"
#include "layers/recurrent.h"
#include "objective/losses.h"

namespace rat {
namespace {

/// An operator with its arguments.
struct Timed {
  std::function<at::Tensor()> forward;  // the result's gradient is asked for if it can have one
  double flop, bytes;
};

struct Arguments {
  const OperatorShape& shape;
  const ForwardRows& rows;
  at::TensorOptions options;

  at::Tensor leaf(at::IntArrayRef sizes) const { return at::randn(sizes, options).requires_grad_(); }
  double tokens() const { return static_cast<double>(rows.tokens); }
  double element() const { return static_cast<double>(options.dtype().itemsize()); }
  double size(int64_t a, int64_t b) const { return static_cast<double>(a) * static_cast<double>(b); }
};

/// Of a tenth of everything; its scalars lie on `device`.
Dropout tenth(at::Device device) {
  StepScalars scalars{.dropout_key = {1u, 2u}, .step = 1};
  scalars.set_dropout({{.rates = {0.1}}}, {});
  const auto size = static_cast<int64_t>(sizeof scalars);
  return {scalars, at::from_blob(&scalars, {size}, at::kByte).clone().to(device), 0, 1};
}

// A product's backward is two of its size: 3 forwards in all. What is only moved is read and written once each way.
Timed product(const Arguments& a) {
  const auto x = a.leaf({a.rows.tokens, a.shape.width}).detach(),
             w = a.leaf({a.shape.outputs, a.shape.width}).detach();
  return {[=] { return matmul_transposed(x, w); }, 2 * a.tokens() * a.size(a.shape.width, a.shape.outputs),
          0};
}

Timed copy(const Arguments& a) {
  const auto x = a.leaf({a.rows.tokens, a.shape.width}).detach(), y = at::empty_like(x);
  return {[=]() -> at::Tensor { return at::Tensor(y).copy_(x); }, 0,
          2 * a.tokens() * static_cast<double>(a.shape.width) * a.element()};
}

Timed fully_connected(const Arguments& a,
                      at::Tensor (*layer)(const at::Tensor&, const LinearLayer&, at::ScalarType)) {
  const auto x = a.leaf({a.rows.tokens, a.shape.width}), w = a.leaf({a.shape.outputs, a.shape.width}),
             b = a.leaf({a.shape.outputs});
  const at::ScalarType type = a.options.dtype().toScalarType();
  return {[=] { return layer(x, {w, b}, type); }, 6 * a.tokens() * a.size(a.shape.width, a.shape.outputs), 0};
}

Timed attention_layer(const Arguments& a) {
  const auto qkv = a.leaf({a.rows.tokens, 3 * a.shape.width});
  const ForwardRows* rows = &a.rows;
  const int64_t heads = a.shape.heads;
  const Dropout dropout = tenth(qkv.device());
  return {[=] { return attention(qkv, {}, *rows, heads, dropout, 0); },
          3 * 4 * a.tokens() * a.size(a.shape.length, a.shape.width), 0};
}

Timed dropout_layer(const Arguments& a) {
  const auto x = a.leaf({a.rows.tokens, a.shape.width});
  const ForwardRows* rows = &a.rows;
  const Dropout settings = tenth(x.device());
  return {[=] { return dropout(x, rows->token_rows, settings, DropoutSite::kEmbeddings, 0); }, 0,
          4 * a.tokens() * static_cast<double>(a.shape.width) * a.element()};
}

Timed embeddings(const Arguments& a) {
  const auto x = a.leaf({a.rows.tokens, a.shape.width});
  const AddedRows added{.positions = a.leaf({a.shape.length, a.shape.width})};
  const LayerNorm norm{a.leaf({a.shape.width}), a.leaf({a.shape.width})};
  const ForwardRows* rows = &a.rows;
  const Dropout settings = tenth(x.device());
  return {[=] { return embedding_norm(x, added, *rows, norm, settings); }, 0,
          8 * a.tokens() * static_cast<double>(a.shape.width) * a.element()};
}

Timed normalised_sum(const Arguments& a) {
  const auto x = a.leaf({a.rows.tokens, a.shape.width}), residual = a.leaf({a.rows.tokens, a.shape.width});
  const LayerNorm norm{a.leaf({a.shape.width}), a.leaf({a.shape.width})};
  const ForwardRows* rows = &a.rows;
  const Dropout settings = tenth(x.device());
  return {
      [=] { return add_norm(x, residual, norm, rows->token_rows, settings, DropoutSite::kFeedForward, 0); },
      0, 7 * a.tokens() * static_cast<double>(a.shape.width) * a.element()};
}

Timed convolutions(const Arguments& a) {
  const auto x = a.leaf({a.rows.tokens, a.shape.width});
  std::vector<at::Tensor> weights, biases;
  for (const int64_t window : {2, 3, 4}) {
    weights.push_back(a.leaf({a.shape.outputs, a.shape.width, window}));
    biases.push_back(a.leaf({a.shape.outputs}));
  }
  const ForwardRows* rows = &a.rows;
  return {[=] { return conv_relu_max_pool(x, *rows, weights, biases); },
          2 * a.tokens() * a.size(9 * a.shape.outputs, a.shape.width), 0};
}

Timed pooled_attention(const Arguments& a) {
  const auto scores = a.leaf({a.rows.tokens}), values = a.leaf({a.rows.tokens, a.shape.width});
  const ForwardRows* rows = &a.rows;
  return {[=] { return attention_pool(scores, values, *rows); }, 0,
          3 * a.tokens() * static_cast<double>(a.shape.width) * a.element()};
}

Timed recurrent(const Arguments& a, Cell cell) {
  const int64_t gates = cell == Cell::kLstm ? 4 : 3, hidden = a.shape.outputs;
  RecurrentLayer layer{cell, {}};
  for (int direction = 0; direction < 2; ++direction) {
    layer.parameters.push_back(a.leaf({gates * hidden, a.shape.width}));
    layer.parameters.push_back(a.leaf({gates * hidden, hidden}));
    layer.parameters.push_back(a.leaf({gates * hidden}));
    layer.parameters.push_back(a.leaf({gates * hidden}));
  }
  const auto x = a.leaf({a.rows.tokens, a.shape.width});
  const ForwardRows* rows = &a.rows;
  return {[=] { return bidirectional(x, rows->time_major, layer); },
          3 * 2 * 2 * a.tokens() * a.size(gates * hidden, a.shape.width + hidden), 0};
}

Timed losses(const Arguments& a) {
  const auto logits = a.leaf({2 * a.shape.sequences, a.shape.outputs}).detach();
  const auto labels = at::zeros({a.shape.sequences}, a.options.dtype(at::kLong));
  LossOptions options;
  options.kl_weight = 0.5;
  const auto examples = static_cast<double>(a.shape.sequences);
  return {[=] { return forward_losses(logits, labels, 2, options, {examples, examples}).values; }, 0,
          2 * 2 * a.size(a.shape.sequences, a.shape.outputs) * a.element()};
}

const std::map<std::string, std::function<Timed(const Arguments&)>>& operators() {
  static const std::map<std::string, std::function<Timed(const Arguments&)>> all{
      {"matmul", product},
      {"copy", copy},
      {"linear", [](const Arguments& a) { return fully_connected(a, linear); }},
      {"linear_gelu", [](const Arguments& a) { return fully_connected(a, linear_gelu); }},
      {"attention", attention_layer},
      {"dropout", dropout_layer},
      {"embedding_norm", embeddings},
      {"add_norm", normalised_sum},
      {"conv_max_pool", convolutions},
      {"attention_pool", pooled_attention},
      {"lstm", [](const Arguments& a) { return recurrent(a, Cell::kLstm); }},
      {"gru", [](const Arguments& a) { return recurrent(a, Cell::kGru); }},
      {"losses", losses},
  };
  return all;
}

PackedBatch batch_of(const OperatorShape& shape) {
  PackedBatch batch;
  batch.sequence_starts.push_back(0);
  for (int64_t s = 0; s < shape.sequences; ++s) {
    batch.sequence_starts.push_back(static_cast<int32_t>((s + 1) * shape.length));
    batch.example_ids.push_back(static_cast<int32_t>(s));
  }
  batch.tokens.assign(static_cast<size_t>(shape.sequences * shape.length), 1);
  return batch;
}

double milliseconds_of(at::Device device, const std::function<void()>& work) {
  const auto started = std::chrono::steady_clock::now();
  work();
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
}

}  // namespace

OperatorTimes time_operator(const std::string& name, const OperatorShape& shape, at::Device device,
                            at::ScalarType type, int64_t repetitions, const std::atomic<bool>& cancelled) {
  const c10::OptionalDeviceGuard guard(device);
  const auto found = operators().find(name);
  RAT_CHECK(found != operators().end(), "ERR_RAT_INVALID_ARG", "There is no operator '", name, "' to time");
  const RowIndices indices{.time_major = true,
                           .encoder = true,
                           .padded_attention = pads_attention(device, shape.width / shape.heads)};
  const DeviceBatch batch(batch_of(shape), {.indices = indices}, device);
  const Timed timed = found->second({shape, batch.rows(0), at::TensorOptions().dtype(type).device(device)});
  OperatorTimes times;
  times.flop = timed.flop;
  times.bytes = timed.bytes;
  for (int64_t i = -1; i < repetitions; ++i) {  // the first warms up
    RAT_CHECK(!cancelled, "ERR_RAT_ABORTED", "The operation was aborted");
    at::Tensor result;
    const double forward = milliseconds_of(device, [&] { result = timed.forward(); });
    if (i >= 0) times.forward_ms.push_back(forward);
    if (!result.requires_grad()) continue;
    const at::Tensor gradient = at::ones_like(result.detach());
    const double backward = milliseconds_of(device, [&] { result.backward(gradient); });
    if (i >= 0) times.backward_ms.push_back(backward);
  }
  return times;
}

}  // namespace rat
