#include "trainer/trainer.h"

#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "core/check.h"
#include "core/device.h"
#include "core/device_batch.h"
#include "io/safetensors.h"

namespace rat {
namespace {

double largest(const std::vector<double>& values) { return *std::max_element(values.begin(), values.end()); }

/// The reference's norm over every parameter: the root of the sum of squares, in double.
at::Tensor global_norm(const std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> norms;
  for (const at::Tensor& gradient : gradients)
    norms.push_back(at::linalg_vector_norm(gradient, 2, {}, false, at::kDouble));
  return at::linalg_vector_norm(at::stack(norms), 2);
}

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

std::vector<std::string> own_names(const NamedTensors& own) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : own) names.push_back(name);
  return names;
}

/// The tensors `names` of a file, for those of the model; what does not fit is added to `wrong`.
std::vector<at::Tensor> read_all(const io::SafetensorsFile& file, const NamedTensors& own,
                                 const std::vector<std::string>& names, std::string& wrong) {
  std::vector<at::Tensor> values;
  for (size_t i = 0; i < own.size(); ++i) {
    const std::string& name = names[i];
    if (!file.contains(name)) {
      wrong += "\n  missing: " + name;
      continue;
    }
    values.push_back(file.read(name));
    std::ostringstream shapes;
    shapes << "\n  " << name << ": expected " << own[i].second.sizes() << ", found " << values.back().sizes();
    if (values.back().sizes() != own[i].second.sizes()) wrong += shapes.str();
    if (!at::isFloatingType(values.back().scalar_type()))
      wrong += "\n  " + name + ": not a floating-point tensor";
  }
  return values;
}

}  // namespace

Trainer::Trainer(const TrainerOptions& options) : options_(options), device_(parse_device(options.device)) {
  at::set_num_threads(options.threads);
  const c10::OptionalDeviceGuard guard(device_);
  model_ = make_model(options.model, options.seed, options.precision, device_);
  vocabulary_scratch_.assign(static_cast<size_t>(options.model.vocabulary_size), -1);
  count_bytes();
}

void Trainer::count_bytes() {
  bytes_ = embedding_gradient_.defined() ? static_cast<int64_t>(embedding_gradient_.nbytes()) : 0;
  for (const Parameter& parameter : model_->parameters())
    bytes_ += static_cast<int64_t>(parameter.tensor.nbytes());
  for (const at::Tensor& tensor : snapshot_) bytes_ += static_cast<int64_t>(tensor.nbytes());
  if (!optimizer_) return;
  for (const auto& [name, tensor] : optimizer_->state()) bytes_ += static_cast<int64_t>(tensor.nbytes());
}

BatchLimits Trainer::limits() const {
  return {options_.model.vocabulary_size, options_.model.outputs, model_->longest(),
          options_.model.encoder.token_types};
}

void Trainer::require_optimizer() {
  if (optimizer_) return;
  // Both or neither, whatever memory there is.
  at::Tensor gradient = at::zeros_like(model_->word_embedding());
  optimizer_ = make_optimizer(model_->parameters(), options_.optimizer);
  embedding_gradient_ = std::move(gradient);
  count_bytes();
}

void Trainer::require_whole() const {
  RAT_CHECK(
      !is_half_updated_, "ERR_RAT_INTERNAL",
      "An earlier step failed in the middle of its update; make a new trainer and resume from a checkpoint");
}

/// In the order of the parameters; the word embeddings' on the batch's tokens alone.
std::vector<at::Tensor> Trainer::gradients(const StepGradients& step_gradients) const {
  const at::Tensor& rows = step_gradients.embedding_rows;
  std::vector<at::Tensor> all{rows.narrow(0, 0, rows.size(0) - 1)};  // without the padding's
  const auto& parameters = model_->parameters();
  for (size_t i = 1; i < parameters.size(); ++i) {
    all.push_back(parameters[i].gradient());
    RAT_CHECK(all.back().defined(), "ERR_RAT_INTERNAL", "no gradient for ", parameters[i].name);
  }
  return all;
}

StepResult Trainer::train_step(const PackedBatch& batch, uint32_t step, double learning_rate,
                               const std::atomic<bool>& cancelled) {
  const c10::OptionalDeviceGuard guard(device_);
  const auto& objective = options_.objective;
  const auto profile = options_.profile ? std::make_unique<StepProfile>(device_) : nullptr;
  check_batch(batch, limits(), objective.loss.regression, true);
  require_whole();
  require_optimizer();
  for (const Parameter& parameter : model_->parameters()) parameter.clear_gradient();

  DeviceBatchOptions wanted{objective.copies(), model_->row_indices(), true, options_.model.padding_id};
  if (objective.loss.regression) wanted.scores = options_.precision;
  const DeviceBatch on_device(batch, wanted, vocabulary_scratch_, device_);
  StepGradients step_gradients;
  mark(profile.get(), "copy");
  const StepContext context{step, stream_key(options_.seed, Stream::kDropout), &cancelled, profile.get()};
  const StepLosses losses = rat_step(*model_, on_device, objective, context, step_gradients);

  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> all = gradients(step_gradients);

  // One transfer reads everything that the host wants to know: the one place where a step waits for the
  // device.
  const at::Tensor zero = at::zeros({1}, losses.clean.options());
  const bool perturbs = losses.delta_norms.defined();
  const at::Tensor read =
      at::cat({losses.clean, perturbs ? losses.adversarial : at::zeros({2}, losses.clean.options()),
               perturbs ? losses.delta_norms.mean().view({1}) : zero, global_norm(all).view({1})})
          .cpu();
  const double* value = read.const_data_ptr<double>();

  StepResult result;
  const bool r_drop = objective.method == Method::kRDrop;
  result.clean_loss = value[0];
  result.adversarial_loss = value[2];
  result.kl_loss = r_drop ? value[1] : value[3];
  result.loss = result.clean_loss + result.adversarial_loss +
                (objective.loss.kl_weight == 0 ? 0 : objective.loss.kl_weight * result.kl_loss);
  result.grad_norm = value[5];
  result.delta_norm = value[4];
  result.skipped_perturbation = perturbs && value[4] == 0 && largest(objective.epsilon) > 0;
  if (!std::isfinite(result.loss) || !std::isfinite(result.grad_norm))
    fail("ERR_RAT_NON_FINITE", "Step ", step, ": loss ", result.loss, " (clean ", result.clean_loss,
         ", adversarial ", result.adversarial_loss, ", KL ", result.kl_loss, "), gradient norm ",
         result.grad_norm,
         "; nothing was updated. Lower the learning rate or epsilon, or clip the gradient norm");

  clip_gradients(all, result.grad_norm, options_.optimizer.clip_norm);
  // The optimizers take the whole matrix's gradient, which is zero but for the batch's rows. Those of the step before
  // are cleared only now, so that a step that fails leaves none behind.
  if (written_rows_.defined()) embedding_gradient_.index_fill_(0, written_rows_, 0);
  written_rows_ = on_device.vocabulary().distinct_index;
  embedding_gradient_.index_copy_(0, written_rows_, all[0]);
  all[0] = embedding_gradient_;
  is_half_updated_ = true;
  optimizer_->step(all, learning_rate);
  is_half_updated_ = false;
  mark(profile.get(), "optimizer");
  if (profile) result.times = profile->times();
  return result;
}

std::vector<double> Trainer::predict(const PackedBatch& batch) {
  const c10::OptionalDeviceGuard guard(device_);
  const at::NoGradGuard no_grad;
  check_batch(batch, limits(), false, false);
  require_whole();
  const DeviceBatch on_device(batch, {.indices = model_->row_indices()}, vocabulary_scratch_, device_);
  const at::Tensor x = model_->word_embedding().index_select(0, on_device.tokens());
  const at::Tensor logits =
      model_->forward(x, on_device.rows(0), Dropout{}).to(at::kDouble).cpu().contiguous();
  const double* values = logits.const_data_ptr<double>();
  return {values, values + logits.numel()};
}

Trainer::NamedTensors Trainer::tensors(StateKind what) const {
  NamedTensors named;
  if (what == StateKind::kOptimizer) {
    RAT_CHECK(optimizer_ != nullptr, "ERR_RAT_INTERNAL", "there is no optimizer state before the first step");
    return optimizer_->state();
  }
  const auto& parameters = model_->parameters();
  RAT_CHECK(what == StateKind::kModel || !snapshot_.empty(), "ERR_RAT_INTERNAL", "there is no snapshot");
  for (size_t i = 0; i < parameters.size(); ++i)
    named.emplace_back(parameters[i].name,
                       what == StateKind::kBest ? snapshot_[i] : parameters[i].tensor.detach());
  return named;
}

void Trainer::save(StateKind what, const std::string& path,
                   const std::map<std::string, std::string>& metadata) const {
  if (what != StateKind::kBest) require_whole();
  io::write_safetensors(path, tensors(what), metadata);
}

void Trainer::load(StateKind what, const std::string& path, const std::string& except) {
  const c10::OptionalDeviceGuard guard(device_);
  const at::NoGradGuard no_grad;
  const io::SafetensorsFile file(path);
  if (what == StateKind::kOptimizer) require_optimizer();
  if (what == StateKind::kBest && snapshot_.empty()) snapshot();
  NamedTensors own = tensors(what);
  const auto is_excepted = [&](const std::string& name) {
    return !except.empty() && name.starts_with(except);
  };
  std::erase_if(own, [&](const auto& named) { return is_excepted(named.first); });

  std::string wrong;
  const std::vector<at::Tensor> values = read_all(file, own, own_names(own), wrong);
  std::unordered_map<std::string, bool> known;
  for (const auto& [name, tensor] : own) known[name] = true;
  for (const auto& entry : file.entries())
    if (!known.count(entry.name) && !is_excepted(entry.name)) wrong += "\n  unexpected: " + entry.name;
  RAT_CHECK(wrong.empty(), "ERR_RAT_MODEL_MISMATCH", path, " does not fit this model:", wrong);
  for (size_t i = 0; i < own.size(); ++i) at::Tensor(own[i].second).copy_(values[i]);
}

void Trainer::load_tensors(const std::string& path, const std::map<std::string, std::string>& names) {
  const c10::OptionalDeviceGuard guard(device_);
  const at::NoGradGuard no_grad;
  const io::SafetensorsFile file(path);
  NamedTensors own = tensors(StateKind::kModel);
  std::erase_if(own, [&](const auto& named) { return !names.count(named.first); });
  RAT_CHECK(own.size() == names.size(), "ERR_RAT_INVALID_ARG", "names has a parameter that the model lacks");
  std::vector<std::string> theirs;
  for (const auto& [name, tensor] : own) theirs.push_back(names.at(name));
  std::string wrong;
  const std::vector<at::Tensor> values = read_all(file, own, theirs, wrong);
  RAT_CHECK(wrong.empty(), "ERR_RAT_MODEL_MISMATCH", path, " does not fit this model:", wrong);
  for (size_t i = 0; i < own.size(); ++i) at::Tensor(own[i].second).copy_(values[i]);
}

void Trainer::snapshot() {
  require_whole();
  const at::NoGradGuard no_grad;
  const auto& parameters = model_->parameters();
  if (snapshot_.empty()) {
    std::vector<at::Tensor> copies;
    for (const Parameter& parameter : parameters)
      copies.push_back(
          at::empty_like(parameter.tensor.detach(), parameter.tensor.options().device(at::kCPU)));
    snapshot_ = std::move(copies);
    count_bytes();
  }
  for (size_t i = 0; i < parameters.size(); ++i) snapshot_[i].copy_(parameters[i].tensor.detach());
}

void Trainer::restore() {
  const at::NoGradGuard no_grad;
  RAT_CHECK(!snapshot_.empty(), "ERR_RAT_INTERNAL", "there is no snapshot to restore");
  const auto& parameters = model_->parameters();
  for (size_t i = 0; i < parameters.size(); ++i) parameters[i].tensor.detach().copy_(snapshot_[i]);
}

void Trainer::set_embedding_rows(const std::vector<int32_t>& rows, const std::vector<float>& values) {
  const c10::OptionalDeviceGuard guard(device_);
  const at::NoGradGuard no_grad;
  const int64_t width = options_.model.embedding_size;
  const auto count = static_cast<int64_t>(rows.size());
  RAT_CHECK(static_cast<int64_t>(values.size()) == count * width, "ERR_RAT_INVALID_ARG", "Expected ",
            count * width, " values (rows x embeddingSize) but received ", values.size());
  at::Tensor index = at::empty({count}, at::kLong);
  at::Tensor table = at::empty({count, width}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t row = rows[static_cast<size_t>(i)];
    RAT_CHECK(row >= 0 && row < options_.model.vocabulary_size, "ERR_RAT_INVALID_ARG", "Row ", row,
              " is outside the vocabulary of ", options_.model.vocabulary_size);
    index.data_ptr<int64_t>()[i] = row;
  }
  std::copy(values.begin(), values.end(), table.data_ptr<float>());
  at::Tensor matrix = model_->word_embedding();
  matrix.index_copy_(0, index.to(device_), table.to(matrix.options()));
}

OperatorTimes Trainer::time_operator(const std::string& name, const OperatorShape& shape, int64_t repetitions,
                                     const std::atomic<bool>& cancelled) const {
  return rat::time_operator(name, shape, device_, options_.model.compute, repetitions, cancelled);
}

}  // namespace rat
