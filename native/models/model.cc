#include "models/model.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <map>
#include <numbers>

#include "core/check.h"

namespace rat {
namespace {

/// Uniform in [0, 1) with 53 bits.
double unit(uint32_t high, uint32_t low) {
  return static_cast<double>(((uint64_t{high} << 32) | low) >> 11) * 0x1.0p-53;
}

/// Biases are not decayed, as usual in fine-tuning; nor are LayerNorms, whose models say so.
bool is_bias(const std::string& name) {
  return name.substr(name.rfind('.') + 1).find("bias") != std::string::npos;
}

}  // namespace

Initializer::Initializer(uint64_t seed, at::ScalarType type, at::Device device)
    : key_(stream_key(seed, Stream::kInitialisation)), type_(type), device_(device) {}

// Two values a Philox block. `draw` maps the block's two uniforms to two values.
template <typename Draw>
at::Tensor Initializer::fill(at::IntArrayRef shape, Draw draw) {
  at::Tensor values = at::empty(shape, at::TensorOptions().dtype(at::kDouble));
  double* out = values.data_ptr<double>();
  const int64_t count = values.numel();
  const uint32_t tensor = next_tensor_++;
  at::parallel_for(0, (count + 1) / 2, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const PhiloxBlock block =
          philox4x32_10({{static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), tensor, 0}}, key_);
      const auto [first, second] = draw(unit(block.v[0], block.v[1]), unit(block.v[2], block.v[3]));
      out[2 * i] = first;
      if (2 * i + 1 < count) out[2 * i + 1] = second;
    }
  });
  return values.to(at::TensorOptions().dtype(type_).device(device_));
}

at::Tensor Initializer::normal(at::IntArrayRef shape, double standard_deviation) {
  return fill(shape, [=](double u, double v) {
    const double radius = standard_deviation * std::sqrt(-2 * std::log1p(-u));
    const double angle = 2 * std::numbers::pi * v;
    return std::pair(radius * std::cos(angle), radius * std::sin(angle));
  });
}

at::Tensor Initializer::uniform(at::IntArrayRef shape, double bound) {
  return fill(shape, [=](double u, double v) { return std::pair(bound * (2 * u - 1), bound * (2 * v - 1)); });
}

at::Tensor Initializer::constant(at::IntArrayRef shape, double value) const {
  return at::full(shape, value, at::TensorOptions().dtype(type_).device(device_));
}

at::Tensor Initializer::skip(at::IntArrayRef shape) {
  ++next_tensor_;
  return constant(shape, 0);
}

at::Tensor Parameter::gradient() const {
  if (!whole.defined()) return tensor.grad();
  const at::Tensor& gradient = whole.grad();
  return gradient.defined() ? gradient.narrow(0, first_row, tensor.size(0)) : at::Tensor();
}

void Parameter::clear_gradient() const { (whole.defined() ? whole : tensor).mutable_grad().reset(); }

void Model::add_word_embedding(const std::string& name, at::Tensor matrix) {
  if (options_.padding_id >= 0 && options_.padding_id < options_.vocabulary_size)
    matrix.select(0, options_.padding_id).zero_();
  // The step handles this gradient itself, on the batch's rows; autograd never sees the matrix.
  parameters_.insert(parameters_.begin(), {name, std::move(matrix)});
}

at::Tensor Model::add(const std::string& name, at::Tensor tensor, bool decays) {
  tensor.requires_grad_();
  parameters_.push_back({name, tensor, decays && !is_bias(name)});
  return tensor;
}

void Model::add_parts(const at::Tensor& whole, const std::vector<std::string>& names) {
  whole.requires_grad_();
  const int64_t rows = whole.size(0) / static_cast<int64_t>(names.size());
  int64_t first = 0;
  for (const std::string& name : names) {
    parameters_.push_back({name, whole.detach().narrow(0, first, rows), !is_bias(name), whole, first});
    first += rows;
  }
}

at::Tensor Linear::operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }

std::unique_ptr<Model> make_model(const ModelOptions& options, uint64_t seed, at::ScalarType type,
                                  at::Device device) {
  using Factory = std::unique_ptr<Model> (*)(const ModelOptions&, Initializer&);
  static const std::map<std::string, Factory> factories{{"bilstm", make_bilstm},
                                                        {"encoder", make_encoder},
                                                        {"textcnn", make_textcnn},
                                                        {"texthan", make_texthan}};
  const auto found = factories.find(options.type);
  if (found == factories.end()) {
    std::string names;
    for (const auto& [name, factory] : factories) names += (names.empty() ? "" : ", ") + name;
    fail("ERR_RAT_MODEL_MISMATCH", "Unknown model type '", options.type, "'; supported: ", names);
  }
  RAT_CHECK(options.vocabulary_size > 0 && options.outputs > 0 && options.embedding_size > 0 &&
                options.hidden_size > 0 && options.layers > 0,
            "ERR_RAT_INVALID_ARG", "Every size of a model must be at least 1");
  Initializer initializer(seed, type, device);
  return found->second(options, initializer);
}

}  // namespace rat
