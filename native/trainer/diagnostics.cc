#include "trainer/diagnostics.h"

#include "core/kernels.h"
#include "layers/dropout.h"
#include "objective/perturbation.h"

namespace rat {
namespace {

/// What the logits `[..., C]` say, so that half the sum of absolute differences is the total variation distance, mean over
/// the labels of a set; of scores the absolute difference.
at::Tensor predictions(const at::Tensor& logits, Target target) {
  switch (target) {
    case Target::kClass:
      return at::softmax(logits, -1);
    case Target::kScore:
      return logits * 2;
    case Target::kLabelSet:
      return at::sigmoid(logits) * (2.0 / static_cast<double>(logits.size(-1)));
  }
  fail("ERR_RAT_INTERNAL", "unknown target");
}

}  // namespace

Diagnostics diagnose(const Model& model, const PackedBatch& packed, const LossOptions& loss,
                     const DiagnosticsOptions& options, std::vector<int32_t>& scratch, at::Device device) {
  const std::vector<ForwardLayout> forwards{
      {.first_pass = 0, .rates = {0}},
      {.first_pass = 1,
       .rates = std::vector<double>(static_cast<size_t>(options.submodels), options.dropout)}};
  StepScalars scalars{.dropout_key = options.key};
  scalars.set_dropout(forwards, model.dropout_rates());
  DeviceBatchOptions wanted{forwards, model.row_indices(), /*by_example=*/true, model.options().padding_id};
  if (loss.target != Target::kClass) wanted.label_values = model.word_embedding().scalar_type();
  const DeviceStep step({packed}, scalars, wanted, scratch, device);
  const DeviceBatch& batch = step.batches()[0];
  const at::Tensor x = embedded_rows(model.word_embedding(), batch, 1);

  // The gradient of each example's own loss: a normaliser of 1.
  const Forward clean = model.forward(x, batch.rows(0), Dropout{});
  const ForwardLosses losses = forward_losses(clean.logits, batch.labels(), 1, loss, {});
  const at::Tensor drows = clean.backward(losses.dlogits, /*keeps_parameters=*/false);

  const at::NoGradGuard no_grad;
  const at::Tensor norms = kernels::group_norms.on(device)(
      drows.contiguous(), {.starts = batch.by_example().starts, .count = batch.examples()});

  const Dropout dropout(step.scalars(), step.device_scalars(), 1, options.submodels);
  const at::Tensor copies = embedded_rows(model.word_embedding(), batch, options.submodels);
  const at::Tensor logits = model.logits(copies, batch.rows(1), dropout).to(at::kDouble);
  LossOptions consistency = loss;
  consistency.consistency = Consistency::kBidirectionalKl;
  consistency.kl_reduction = KlReduction::kSum;
  const at::Tensor labels = loss.target == Target::kClass ? batch.labels() : batch.labels().to(at::kDouble);
  const ForwardLosses between = forward_losses(logits, labels, options.submodels, consistency, {});
  const at::Tensor by_submodel =
      predictions(logits, loss.target).view({options.submodels, batch.examples(), -1});
  const at::Tensor without = predictions(clean.logits.detach().to(at::kDouble), loss.target);
  const at::Tensor gap = (by_submodel.mean(0) - without).abs().sum() / 2;

  const at::Tensor values = at::stack({norms.sum(), between.values[1].to(device), gap}).to(at::kDouble).cpu();
  const auto* value = values.const_data_ptr<double>();
  return {value[0], value[1], value[2]};
}

}  // namespace rat
