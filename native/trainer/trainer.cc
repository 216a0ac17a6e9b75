#include "trainer/trainer.h"

#include <c10/core/DeviceGuard.h>

#include <cmath>
#include <cstddef>

#include "core/check.h"
#include "core/device.h"
#include "core/device_batch.h"
#include "core/savings.h"
#include "models/registry.h"
#include "objective/step.h"
#include "trainer/gradient_norm.h"

namespace rat {
namespace {

/// More lanes would need more gradients of their own; they share the threads. BERT-base has two.
constexpr int64_t kMostLanes = 4;
constexpr int64_t kMostGradientBytes = int64_t{512} << 20;
/// A product of fewer rows leaves a core idle.
constexpr int64_t kLeastTokens = 64;

/// The batches' parts for the lanes; most of a step's batches have as many parts as there are lanes. One lane takes the
/// batches as they are.
const std::vector<PackedBatch>& parts_of(const std::vector<PackedBatch>& batches, int64_t lanes,
                                         std::vector<PackedBatch>& parts) {
  if (lanes == 1) return batches;
  for (const PackedBatch& batch : batches)
    for (const std::vector<size_t>& examples : balanced_parts(batch, lanes, kLeastTokens))
      parts.push_back(selected(batch, examples));
  return parts;
}

/// The gradients are to be multiplied by min(1, clip_norm / (norm + 1e-6)), as by torch.nn.utils.clip_grad_norm_.
void clip(UpdateScalars& update, const at::Tensor& norm, double clip_norm) {
  if (clip_norm <= 0) return;
  if (norm.is_cpu())
    update.gradient_scale = std::min(1.0, clip_norm / (norm.item<double>() + 1e-6));
  else
    update.device_gradient_scale = (clip_norm / (norm + 1e-6)).clamp_max(1.0);
}

/// For optimizers that do not.
void scale(std::vector<at::Tensor>& gradients, const UpdateScalars& update) {
  if (update.device_gradient_scale.defined())
    at::_foreach_mul_(gradients, update.device_gradient_scale.to(gradients[0].scalar_type()));
  else if (update.gradient_scale != 1)
    at::_foreach_mul_(gradients, update.gradient_scale);
}

}  // namespace

Trainer::Trainer(const TrainerOptions& options)
    : options_(options),
      device_(parse_device(options.device)),
      stream_(device_),
      lanes_(device_.is_cpu() ? options.threads : 1, is_on(Saving::kLanes) ? kMostLanes : 1),
      products_(device_, options.precision, options.tf32),
      regularizer_(make_regularizer(options.regularizer)),
      check_(device_, options.loss.kl_weight, options.regularizer.bregman_weight),
      graphs_(device_, host_bound_tokens(options.model, regularizer_->forwards(),
                                         product_rate(device_, options.model.compute, options.tf32))) {
  const c10::OptionalDeviceGuard guard(device_);
  // Threads draw the weights side by side.
  lanes_.run(1, [&](int64_t) {
    models_ = make_models(options.trains ? lanes_.most() : 1, kMostGradientBytes, options.model, options.seed,
                          options.precision, device_);
  });
  if (options.replicas > 1) reduction_ = std::make_unique<Replicas>(options.replicas);
  for (const auto& model : models_)
    model->set_learning(options.optimizer.layer_decay, options.optimizer.frozen);
  for (const Parameter& parameter : model().parameters())
    if (parameter.trainable) trainable_.push_back(parameter);
  RAT_CHECK(!trainable_.empty(), "ERR_RAT_INVALID_ARG", "Everything is frozen; there is nothing to train");
  vocabulary_scratch_.assign(static_cast<size_t>(options.model.vocabulary_size), -1);
  count_bytes();
}

void Trainer::count_bytes() {
  bytes_ = embedding_gradient_.defined() ? static_cast<int64_t>(embedding_gradient_.nbytes()) : 0;
  for (const Parameter& parameter : model().parameters())
    bytes_ += static_cast<int64_t>(parameter.tensor.nbytes());
  bytes_ += model().cast_bytes();
  for (const at::Tensor& tensor : snapshot_) bytes_ += static_cast<int64_t>(tensor.nbytes());
  if (average_)
    for (const Parameter& parameter : average_->parameters())
      bytes_ += static_cast<int64_t>(parameter.tensor.nbytes());
  if (average_) bytes_ += average_->cast_bytes();
  if (!optimizer_) return;
  for (const auto& [name, tensor] : optimizer_->state()) bytes_ += static_cast<int64_t>(tensor.nbytes());
}

BatchLimits Trainer::limits() const {
  return {options_.model.vocabulary_size, options_.model.outputs, model().longest(),
          options_.model.encoder.token_types};
}

void Trainer::require_optimizer() {
  RAT_CHECK(options_.trains, "ERR_RAT_INVALID_ARG",
            "This model only predicts: it was made without a regularizer");
  if (optimizer_) return;
  // All or nothing, whatever memory there is.
  if (regularizer_->average_decay()) {
    average_ = make_model(options_.model, options_.seed, options_.precision, device_);
    casts_are_old_ = true;
    update_average(0);
  }
  auto optimizer = make_optimizer(trainable_, options_.optimizer);
  if (trainable_[0].is_word_embedding && !optimizer->takes_rows())
    embedding_gradient_ = at::zeros_like(model().word_embedding());
  optimizer_ = std::move(optimizer);
  count_bytes();
}

/// A decay of 0 makes it the weights as they are.
void Trainer::update_average(double decay) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> averages, weights;
  for (const Parameter& parameter : average_->parameters()) averages.push_back(parameter.tensor.detach());
  for (const Parameter& parameter : model().parameters()) weights.push_back(parameter.tensor.detach());
  at::_foreach_lerp_(averages, weights, 1 - decay);
}

/// Before a forward.
void Trainer::refresh_casts() {
  if (!casts_are_old_) return;
  model().cast_weights();
  if (average_) average_->cast_weights();
  casts_are_old_ = false;
}

void Trainer::require_whole() const {
  RAT_CHECK(
      !is_half_updated_, "ERR_RAT_INTERNAL",
      "An earlier step failed in the middle of its update; make a new trainer and resume from a checkpoint");
}

/// Before the weights are used or kept by anyone but a step.
void Trainer::require_sound() {
  require_whole();
  check_.require_finite();
  catch_up();
}

/// Before the weights or the optimizer's state are read or written by anyone but a step.
void Trainer::catch_up() {
  const at::NoGradGuard no_grad;
  if (optimizer_) optimizer_->catch_up(lanes_);
}

/// Adds up what the lanes have in their models, in the first one's.
void Trainer::join_gradients() {
  const auto& parameters = model().parameters();
  lanes_.run(static_cast<int64_t>(models_.size()), [&](int64_t worker) {
    const at::NoGradGuard no_grad;
    for (auto i = static_cast<size_t>(worker); i < parameters.size(); i += models_.size()) {
      if (parameters[i].first_row > 0) continue;  // of a tensor that stands with the first of its parameters
      at::Tensor& sum = parameters[i].leaf().mutable_grad();
      for (size_t lane = 1; lane < models_.size(); ++lane) {
        at::Tensor& own = models_[lane]->parameters()[i].leaf().mutable_grad();
        if (!own.defined()) continue;
        sum = sum.defined() ? sum.add_(own) : own;
        own.reset();
      }
    }
  });
}

/// Contiguous, in the order of trainable_; the word embeddings' on the step's tokens alone.
std::vector<at::Tensor> Trainer::gradients(const at::Tensor& of_embedding_rows) const {
  std::vector<at::Tensor> all;
  for (const Parameter& parameter : trainable_) {
    all.push_back(parameter.is_word_embedding
                      ? of_embedding_rows.narrow(0, 0, of_embedding_rows.size(0) - 1)  // no padding
                      : parameter.gradient());
    RAT_CHECK(all.back().defined(), "ERR_RAT_INTERNAL", "no gradient for ", parameter.name);
    all.back() = all.back().contiguous();
  }
  return all;
}

/// The last seam between processes: what each has summed up becomes the whole step's.
void Trainer::reduce(StepLog<at::Tensor>& log, const std::vector<at::Tensor>& gradients) {
  if (!reduction_) return;
  std::vector<at::Tensor> tensors = gradients;
  for (const at::Tensor& loss : {log.clean_loss, log.adversarial_loss, log.kl_loss, log.bregman_loss})
    if (loss.defined()) tensors.push_back(loss);
  reduction_->sum(tensors);
}

Normaliser Trainer::normaliser_of(const std::vector<PackedBatch>& batches, const StepOptions& options) const {
  double examples = 0, weights = 0;
  for (const PackedBatch& batch : batches) {
    examples += static_cast<double>(batch.examples());
    if (class_weights_.empty()) continue;
    for (const int32_t label : batch.class_labels) weights += class_weights_[static_cast<size_t>(label)];
  }
  if (options.examples > 0) examples = static_cast<double>(options.examples);
  if (options.label_weight > 0) weights = options.label_weight;
  if (class_weights_.empty()) return {examples, examples};
  return {weights > 0 ? weights : 1, examples};  // a step of weightless examples has no supervised loss
}

StepResult Trainer::train_step(const std::vector<PackedBatch>& batches, const StepOptions& options,
                               const std::atomic<bool>& cancelled) {
  return step_memory_.watch(batches, bytes_, [&] { return make_step(batches, options, cancelled); });
}

StepResult Trainer::make_step(const std::vector<PackedBatch>& batches, const StepOptions& options,
                              const std::atomic<bool>& cancelled) {
  const c10::OptionalDeviceGuard guard(device_);
  const auto profile = options_.profile ? std::make_unique<StepProfile>(device_) : nullptr;
  RAT_CHECK(!batches.empty(), "ERR_RAT_INVALID_ARG", "A step needs at least one batch");
  for (const PackedBatch& batch : batches) check_batch(batch, limits(), options_.loss.target);
  require_whole();
  require_optimizer();
  refresh_casts();
  for (const auto& model : models_)
    for (const Parameter& parameter : model->parameters()) parameter.clear_gradient();

  const std::vector<ForwardLayout> forwards = regularizer_->forwards();
  StepScalars scalars{.dropout_key = stream_key(options_.seed, Stream::kDropout),
                      .ascent_key = stream_key(options_.seed, Stream::kAscent),
                      .step = options.step,
                      .learning_rate = options.learning_rate};
  scalars.set_dropout(forwards, model().dropout_rates());
  DeviceBatchOptions wanted{forwards, model().row_indices(), regularizer_->scope() == Scope::kExample,
                            options_.model.padding_id};
  wanted.spared_tokens = options_.regularizer.spared_tokens;
  if (options_.loss.target != Target::kClass) wanted.label_values = options_.precision;
  const Normaliser normaliser = normaliser_of(batches, options);
  const std::optional<StepSize> size = recorded_size(batches, normaliser);
  if (size) wanted.sizes = size->batches;
  std::vector<PackedBatch> parts;
  const DeviceStep on_device(parts_of(batches, static_cast<int64_t>(models_.size()), parts), scalars, wanted,
                             vocabulary_scratch_, device_, size ? graphs_.memory_of(*size) : at::Tensor());
  optimizer_->catch_up(on_device.vocabulary().distinct_index, lanes_);
  if (options_.model.encoder.takes_torch_attention) seed_generator(options.step);
  mark(profile.get(), "copy");
  const auto work = [&] {
    Step step(models_, on_device, forwards, options_.loss, normaliser,
              {.cancelled = &cancelled,
               .profile = profile.get(),
               .reduction = reduction_.get(),
               .lanes = &lanes_,
               .average = average_.get()});
    StepLog<at::Tensor> log = regularizer_->run(step);
    update(step, log);
  };
  if (size)
    graphs_.take(*size, on_device.memory(), work);
  else
    work();
  casts_are_old_ = average_ || !optimizer_->writes_casts();
  StepResult result;
  if (device_.is_cpu() || options.read) result.values = check_.read();
  mark(profile.get(), "optimizer");
  if (profile) result.times = profile->times();
  return result;
}

/// So that a run that is resumed has the masks of one that was never stopped, as far as no other training draws beside it.
void Trainer::seed_generator(uint32_t step) const {
  at::Generator generator = at::globalContext().defaultGenerator(device_);
  const std::lock_guard lock(generator.mutex());
  const PhiloxKey key = stream_key(options_.seed, Stream::kDropout);
  generator.set_current_seed((uint64_t{key.k0} << 32 | key.k1) + step);
}

/// Of the weights, by what the passes of `step` have left. On a GPU by nothing but what is there.
void Trainer::update(const Step& step, StepLog<at::Tensor>& log) {
  const at::NoGradGuard no_grad;
  const DeviceStep& batches = step.batches();
  const at::Tensor& rows = batches.vocabulary().distinct_index;
  join_gradients();
  std::vector<at::Tensor> all = gradients(step.embedding_gradient());
  reduce(log, all);
  log.gradient_norm = global_norm(all, lanes_);
  const at::Tensor number = batches.scalar(offsetof(StepScalars, step), at::kInt).to(at::kDouble);
  UpdateScalars update{.learning_rate = batches.scalars().learning_rate,
                       .found_inf = check_.take(log, number)};
  if (device_.is_cpu()) {
    update.lanes = &lanes_;
  } else {
    update.device_learning_rate = batches.scalar(offsetof(StepScalars, learning_rate), at::kDouble);
  }
  clip(update, log.gradient_norm, options_.optimizer.clip_norm);
  if (!optimizer_->scales_gradients()) scale(all, update);
  if (embedding_gradient_.defined()) all[0] = embedding_gradient_.index_copy_(0, rows, all[0]);
  if (optimizer_->takes_rows()) update.rows = rows;
  is_half_updated_ = casts_are_old_ = true;
  optimizer_->step(all, update);
  if (embedding_gradient_.defined()) embedding_gradient_.index_fill_(0, rows, 0);
  if (average_ || !is_on(Saving::kLateRows)) optimizer_->catch_up(lanes_);
  if (average_) update_average(*regularizer_->average_decay());
  is_half_updated_ = false;
}

/// Of steps that a graph can do: recurrent layers and spared tokens have a shape for each batch, a profile times phases,
/// LibTorch's attention takes no filler. With class weights hardly two steps have the same mean.
std::optional<StepSize> Trainer::recorded_size(const std::vector<PackedBatch>& batches,
                                               const Normaliser& normaliser) const {
  const RowIndices indices = model().row_indices();
  if (!device_.is_cuda() || !is_on(Saving::kGraphs) || indices.time_major || indices.padded_attention ||
      options_.profile || reduction_ || !class_weights_.empty() ||
      options_.model.encoder.takes_torch_attention || !options_.regularizer.spared_tokens.empty())
    return std::nullopt;
  return graphs_.size_of(batches, normaliser, model().longest(), options_.model.encoder.token_types);
}

std::vector<double> Trainer::predict(const PackedBatch& batch) {
  return prediction_memory_.watch({&batch, 1}, bytes_, [&] { return logits_of(batch); });
}

std::vector<double> Trainer::logits_of(const PackedBatch& batch) {
  const c10::OptionalDeviceGuard guard(device_);
  const at::NoGradGuard no_grad;
  check_batch(batch, limits(), {});
  require_sound();
  refresh_casts();
  const auto parts = balanced_parts(batch, lanes_.most(), kLeastTokens);
  std::vector<double> values(static_cast<size_t>(batch.examples() * options_.model.outputs));
  const auto answer = [&](const PackedBatch& part, const std::vector<size_t>& examples) {
    const DeviceBatch on_device(part, {.indices = model().prediction_indices()}, device_);
    const at::Tensor x = embedded_rows(model().word_embedding(), on_device, 1);
    const at::Tensor logits =
        model().logits(x, on_device.rows(0), Dropout{}).to(at::kDouble).cpu().contiguous();
    const auto outputs = static_cast<size_t>(options_.model.outputs);
    const double* row = logits.const_data_ptr<double>();
    for (const size_t b : examples) {
      std::copy_n(row, outputs, &values[b * outputs]);
      row += outputs;
    }
  };
  lanes_.run(static_cast<int64_t>(parts.size()), [&](int64_t lane) {
    const std::vector<size_t>& examples = parts[static_cast<size_t>(lane)];
    if (parts.size() == 1)
      answer(batch, examples);
    else
      answer(selected(batch, examples), examples);
  });
  return values;
}

Diagnostics Trainer::diagnose(const PackedBatch& batch, int64_t submodels) {
  const c10::OptionalDeviceGuard guard(device_);
  check_batch(batch, limits(), options_.loss.target);
  require_sound();
  refresh_casts();
  return rat::diagnose(
      model(), batch, options_.loss,
      {submodels, options_.regularizer.clean_dropout, stream_key(options_.seed, Stream::kDropout)},
      vocabulary_scratch_, device_);
}

void Trainer::set_class_weights(const std::vector<double>& weights) {
  const c10::OptionalDeviceGuard guard(device_);
  RAT_CHECK(options_.loss.target == Target::kClass &&
                static_cast<int64_t>(weights.size()) == options_.model.outputs,
            "ERR_RAT_INVALID_ARG", "Expected a weight for each of the ", options_.model.outputs,
            " classes but received ", weights.size());
  double sum = 0;
  for (const double weight : weights) {
    RAT_CHECK(std::isfinite(weight) && weight >= 0, "ERR_RAT_INVALID_ARG",
              "Expected finite weights of at least 0 but received ", weight);
    sum += weight;
  }
  options_.loss.class_weights = at::tensor(weights, at::kDouble).to(device_);
  options_.loss.class_weight_sum = sum;
  class_weights_ = weights;
}

OperatorTimes Trainer::time_operator(const std::string& name, const OperatorShape& shape, int64_t repetitions,
                                     const std::atomic<bool>& cancelled) {
  OperatorTimes times;
  lanes_.run(1, [&](int64_t) {
    times = rat::time_operator(name, shape, device_, options_.model.compute, repetitions, cancelled);
  });
  return times;
}

}  // namespace rat
