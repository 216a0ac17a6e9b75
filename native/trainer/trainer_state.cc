// What a trainer keeps and brings back: weights, the snapshot of the best ones, the optimizer's moments.
#include <c10/core/DeviceGuard.h>

#include <sstream>
#include <unordered_map>

#include "core/check.h"
#include "io/safetensors.h"
#include "trainer/trainer.h"

namespace rat {
namespace {

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

Trainer::NamedTensors Trainer::tensors(StateKind what) const {
  NamedTensors named;
  if (what == StateKind::kOptimizer) {
    RAT_CHECK(optimizer_ != nullptr, "ERR_RAT_INTERNAL", "there is no optimizer state before the first step");
    named = optimizer_->state();
    if (average_)
      for (const Parameter& parameter : average_->parameters())
        named.emplace_back(parameter.name + ".average", parameter.tensor.detach());
    return named;
  }
  const auto& parameters = model().parameters();
  RAT_CHECK(what == StateKind::kModel || !snapshot_.empty(), "ERR_RAT_INTERNAL", "there is no snapshot");
  for (size_t i = 0; i < parameters.size(); ++i)
    named.emplace_back(parameters[i].name,
                       what == StateKind::kBest ? snapshot_[i] : parameters[i].tensor.detach());
  return named;
}

void Trainer::save(StateKind what, const std::string& path,
                   const std::map<std::string, std::string>& metadata) {
  if (what != StateKind::kBest) require_sound();
  io::write_safetensors(path, tensors(what), metadata);
}

void Trainer::load(StateKind what, const std::string& path, const std::string& except) {
  check_.require_finite();
  const c10::OptionalDeviceGuard guard(device_);
  const at::NoGradGuard no_grad;
  catch_up();
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
  casts_are_old_ = true;
  for (size_t i = 0; i < own.size(); ++i) at::Tensor(own[i].second).copy_(values[i]);
}

void Trainer::load_tensors(const std::string& path, const std::map<std::string, std::string>& names) {
  check_.require_finite();
  const c10::OptionalDeviceGuard guard(device_);
  const at::NoGradGuard no_grad;
  catch_up();
  const io::SafetensorsFile file(path);
  NamedTensors own = tensors(StateKind::kModel);
  std::erase_if(own, [&](const auto& named) { return !names.count(named.first); });
  RAT_CHECK(own.size() == names.size(), "ERR_RAT_INVALID_ARG", "names has a parameter that the model lacks");
  std::vector<std::string> theirs;
  for (const auto& [name, tensor] : own) theirs.push_back(names.at(name));
  std::string wrong;
  const std::vector<at::Tensor> values = read_all(file, own, theirs, wrong);
  RAT_CHECK(wrong.empty(), "ERR_RAT_MODEL_MISMATCH", path, " does not fit this model:", wrong);
  casts_are_old_ = true;
  for (size_t i = 0; i < own.size(); ++i) at::Tensor(own[i].second).copy_(values[i]);
}

void Trainer::snapshot() {
  require_sound();
  const at::NoGradGuard no_grad;
  const auto& parameters = model().parameters();
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
  check_.require_finite();
  const at::NoGradGuard no_grad;
  catch_up();
  RAT_CHECK(!snapshot_.empty(), "ERR_RAT_INTERNAL", "there is no snapshot to restore");
  casts_are_old_ = true;
  const auto& parameters = model().parameters();
  for (size_t i = 0; i < parameters.size(); ++i) parameters[i].tensor.detach().copy_(snapshot_[i]);
}

void Trainer::set_embedding_rows(const std::vector<int32_t>& rows, const std::vector<float>& values) {
  const c10::OptionalDeviceGuard guard(device_);
  const at::NoGradGuard no_grad;
  catch_up();
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
  at::Tensor matrix = model().word_embedding();
  matrix.index_copy_(0, index.to(device_), table.to(matrix.options()));
}

}  // namespace rat
