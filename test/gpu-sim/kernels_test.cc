// Every kernel of core/kernels.h on a GPU, simulated or real (rat_gpu_tests), beside the CPU's: sizes at and around
// those of blocks and warps, all types. Prints what differs; exits with 1 if anything does.
//   kernels_test [quick]
#include "core/kernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>

#include "core/device_batch.h"
#include "layers/add_norm.h"
#include "layers/attention.h"
#include "layers/attention_pool.h"
#include "layers/conv_max_pool.h"
#include "layers/dropout.h"
#include "layers/embedding_norm.h"
#include "layers/rows.h"
#include "objective/losses.h"
#include "objective/noise.h"
#include "objective/perturbation.h"
#include "optim/adamw_update.h"

using at::Tensor;

namespace {

/// Not device 0 where there are more: a forgotten index is seen.
const at::Device kGpu(at::kCUDA,
                      at::globalContext().getAcceleratorHooksInterface(at::kCUDA).deviceCount() > 1 ? 1 : 0);
bool quick = false;
int failures = 0, checks = 0;
uint64_t fingerprint = 14695981039346656037u;  // of every bit that the GPU gave (FNV-1a)

/// The largest difference, relative to the largest value from 1 on; 0 asks for the same bits.
void same(const char* what, const Tensor& cpu, const Tensor& gpu, double tolerance) {
  ++checks;
  const Tensor g = gpu.detach().cpu(), c = cpu.detach();
  const Tensor bytes = g.contiguous().flatten().view(at::kByte);
  for (int64_t i = 0; i < bytes.numel(); ++i)
    fingerprint = (fingerprint ^ bytes.const_data_ptr<uint8_t>()[i]) * 1099511628211u;
  const bool alike = c.sizes() == g.sizes() && c.scalar_type() == g.scalar_type();
  if (alike && (tolerance == 0 ? at::equal(c, g) : at::allclose(c, g, tolerance, tolerance))) return;
  ++failures;
  if (alike)
    std::printf("FAILED %s: largest difference %g\n", what,
                (c - g).abs().max().to(at::kDouble).item<double>());
  else
    std::printf("FAILED %s: other shape or type\n", what);
}

void same_all(const char* what, const std::vector<Tensor>& cpu, const std::vector<Tensor>& gpu,
              double tolerance) {
  for (size_t i = 0; i < cpu.size(); ++i) same(what, cpu[i], gpu[i], 10 * tolerance);
}

rat::PackedBatch batch_of(const std::vector<int>& lengths) {
  rat::PackedBatch batch;
  batch.sequence_starts.push_back(0);
  for (size_t i = 0; i < lengths.size(); ++i) {
    batch.sequence_starts.push_back(batch.sequence_starts.back() + lengths[i]);
    batch.example_ids.push_back(static_cast<int32_t>(1000003 * i));
    batch.class_labels.push_back(static_cast<int32_t>(i % 3));
  }
  for (int32_t t = 0; t < batch.sequence_starts.back(); ++t) {
    batch.tokens.push_back(t % 5 == 4 ? 0 : t * 7 % 23);
    batch.token_types.push_back(static_cast<uint8_t>(t % 3 == 0));
  }
  return batch;
}

/// Rows behind each copy that no sequence has, where there are any.
constexpr int64_t kFiller = 5;

/// A step of one batch: forwards with so many copies each, pass after pass.
struct OneBatch {
  OneBatch(at::Device device, const rat::PackedBatch& batch, const std::vector<int64_t>& copies,
           bool filled = false)
      : step({batch}, scalars(copies), options(batch, copies, filled), scratch(), device) {}

  const rat::DeviceBatch& batch() const { return step.batches()[0]; }
  const rat::ForwardRows& rows(size_t i) const { return batch().rows(i); }

  static std::vector<rat::ForwardLayout> forwards(const std::vector<int64_t>& copies) {
    const double rates[] = {0.1, 0.5, 0.25};
    std::vector<rat::ForwardLayout> all;
    int64_t pass = 0;
    for (const int64_t count : copies) {
      all.push_back({pass, {rates + pass, rates + pass + count}});
      pass += count;
    }
    return all;
  }
  static rat::StepScalars scalars(const std::vector<int64_t>& copies) {
    rat::StepScalars all{.dropout_key = {1u, 2u}, .ascent_key = {3u, 4u}, .step = 3};
    all.set_dropout(forwards(copies), {});
    return all;
  }
  static rat::DeviceBatchOptions options(const rat::PackedBatch& batch, const std::vector<int64_t>& copies,
                                         bool filled) {
    rat::DeviceBatchOptions all{
        forwards(copies),
        {.time_major = !filled, .encoder = true, .padded_attention = !filled, .torch_attention = !filled},
        /*by_example=*/true};
    if (filled) all.sizes = {{.tokens = batch.token_count() + kFiller, .longest = 300, .token_types = 2}};
    return all;
  }
  static std::vector<int32_t>& scratch() {
    static std::vector<int32_t> unused(100, -1);
    return unused;
  }

  rat::DeviceStep step;
};

#ifndef __SANITIZE_THREAD__
/// The same leaf on both devices, and one's gradient beside the other's.
struct Leaves {
  std::vector<Tensor> cpu, gpu;
  void add(at::IntArrayRef shape, at::ScalarType type) {
    cpu.push_back(at::randn(shape, type).requires_grad_());
    gpu.push_back(cpu.back().detach().to(kGpu).requires_grad_());
  }
  void compare(const char* what, const Tensor& a, const Tensor& b, double tolerance) {
    same(what, a, b, tolerance);
    const Tensor d = at::randn(a.sizes(), a.options().requires_grad(false));
    a.backward(d);
    b.backward(d.to(kGpu));
    for (size_t i = 0; i < cpu.size(); ++i) same(what, cpu[i].grad(), gpu[i].grad(), 10 * tolerance);
  }
};
#endif

/// With filler rows of `value` behind each of the copies.
Tensor filled(const Tensor& x, int64_t copies, double value) {
  const Tensor rows = at::full({copies, kFiller, x.size(1)}, value, x.options());
  return at::cat({x.view({copies, -1, x.size(1)}), rows}, 1).view({-1, x.size(1)});
}

/// The same in which the filler must be zero.
std::vector<Tensor> zero_filled(const std::vector<Tensor>& all, int64_t copies) {
  std::vector<Tensor> results;
  for (const Tensor& x : all) results.push_back(filled(x.cpu(), copies, 0));
  return results;
}

void test_batch(const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {1, 2}), b(kGpu, packed, {1, 2});
  same("tokens", a.batch().tokens(), b.batch().tokens(), 0);
  same("labels", a.batch().labels(), b.batch().labels(), 0);
  same("slots", a.batch().slots().index, b.batch().slots().index, 0);
  same("examples", a.batch().example_of_token(), b.batch().example_of_token(), 0);
  same("distinct", a.step.vocabulary().distinct_index, b.step.vocabulary().distinct_index, 0);
  for (const size_t i : {0, 1}) {
    same("starts", a.rows(i).starts_index, b.rows(i).starts_index, 0);
    same("last tokens", a.rows(i).last_tokens, b.rows(i).last_tokens, 0);
    same("passes", a.rows(i).token_rows.passes, b.rows(i).token_rows.passes, 0);
    same("positions", a.rows(i).token_rows.positions, b.rows(i).token_rows.positions, 0);
    same("time major", a.rows(i).time_major.order, b.rows(i).time_major.order, 0);
  }
  // What filler leaves as it is.
  const OneBatch c(kGpu, packed, {1, 2}, /*filled=*/true);
  const int64_t tokens = packed.token_count(), distinct = a.step.vocabulary().size;
  same("tokens, filled", a.batch().tokens(), c.batch().tokens().narrow(0, 0, tokens), 0);
  same("distinct, filled", a.step.vocabulary().distinct_index,
       c.step.vocabulary().distinct_index.narrow(0, 0, distinct), 0);
  same("lengths, filled", a.rows(1).starts_index.diff(),
       c.rows(1).ends_index - c.rows(1).starts_index.slice(0, 0, -1), 0);
  const Tensor x = at::randn({2 * tokens, 3}, at::kFloat);
  const auto sums_of = [&](const OneBatch& on, const Tensor& rows) {
    Tensor sums = at::zeros({on.step.vocabulary().size, 3}, rows.options());
    rat::kernels::add_segments.on(rows.device())(rows, on.batch().slots().by_slot, 2, sums);
    return sums;
  };
  const Tensor filled_sums = sums_of(c, filled(x, 2, NAN).to(kGpu));
  same("gradients of tokens, filled", sums_of(a, x), filled_sums.narrow(0, 0, distinct), 1e-5);
  same("gradients of filler", at::zeros({tokens + kFiller - distinct, 3}),
       filled_sums.narrow(0, distinct, tokens + kFiller - distinct), 0);
}

void test_losses(at::ScalarType type, double close) {
  using rat::Target;
  // What labels are, and whether they are smoothed and classes weighted.
  const std::pair<Target, bool> kinds[] = {
      {Target::kClass, false}, {Target::kClass, true}, {Target::kScore, false}, {Target::kLabelSet, false}};
  int turn = 0;
  for (const int64_t classes : {1, 2, 3, 31, 33, 127, 128, 129, 300})
    for (const int64_t batch : {1, 2, 7, 129})
      for (const int64_t forwards : {1, 2, 3})
        for (const auto& [target, features] : kinds) {
          if (target == Target::kScore && classes != 1) continue;
          if (quick && (forwards != 2 || batch > 7 || classes > 129)) continue;
          const Tensor logits = at::randn({forwards * batch, classes}, type) * 3;
          const Tensor labels = target == Target::kScore      ? at::randn({batch}, type)
                                : target == Target::kLabelSet ? at::randint(2, {batch * classes}, type)
                                                              : at::randint(classes, {batch}, at::kLong);
          rat::LossOptions options;
          options.target = target;
          options.consistency = static_cast<rat::Consistency>(turn++ % std::size(rat::kConsistencyNames));
          options.kl_weight = 0.5;
          rat::LossOptions on_gpu = options;
          if (features) {
            options.label_smoothing = on_gpu.label_smoothing = 0.1;
            options.class_weights = at::rand({classes}, at::kDouble);
            on_gpu.class_weights = options.class_weights.to(kGpu);
            options.class_weight_sum = on_gpu.class_weight_sum = options.class_weights.sum().item<double>();
          }
          const rat::Normaliser normaliser{static_cast<double>(batch), static_cast<double>(batch)};
          rat::LossWeights weights;
          if (turn % 5 == 0) weights.supervised_forwards = 1;
          const auto a = rat::forward_losses(logits, labels, forwards, options, normaliser, weights);
          const auto b =
              rat::forward_losses(logits.to(kGpu), labels.to(kGpu), forwards, on_gpu, normaliser, weights);
          same("losses", a.values, b.values, 1e-12);
          same("dlogits", a.dlogits, b.dlogits, close);
        }
}

void test_noise(const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {1}), b(kGpu, packed, {1});
  for (const int64_t width : {1, 3, 4, 5, 32, 257})
    for (const auto kind : {rat::Noise::kUniform, rat::Noise::kNormal}) {
      const auto draw = [&](const OneBatch& on) {
        const rat::MaskRows& rows = on.rows(0).token_rows;
        return rat::kernels::noise.on(on.batch().tokens().device())(rows.example_ids, rows.positions, width,
                                                                    on.step.device_scalars(), kind);
      };
      same("noise", draw(a), draw(b), kind == rat::Noise::kUniform ? 0 : 1e-14);
    }
}

void test_dropout(at::ScalarType type, const rat::PackedBatch& packed) {
  for (const int64_t width : {1, 3, 4, 5, 32, 255, 257})
    for (const int64_t stride : {int64_t{1}, width, width + 3}) {
      const OneBatch a(at::kCPU, packed, {1, 2}), b(kGpu, packed, {1, 2});
      const auto settings = [](const OneBatch& on) -> rat::Dropout {
        return {on.step.scalars(), on.step.device_scalars(), /*first_pass=*/1, /*passes=*/2};
      };
      const Tensor x = at::randn({a.rows(1).tokens, width}, type);
      const auto site = rat::DropoutSite::kAttention;
      same("dropout", rat::dropout(x, a.rows(1).token_rows, settings(a), site, 1, stride),
           rat::dropout(x.to(kGpu), b.rows(1).token_rows, settings(b), site, 1, stride), 0);
    }
}

// The kernels themselves, without autograd: its threads are LibTorch's, which TSan does not see through.

void test_conv_max_pool(at::ScalarType type, double close, const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {1}), b(kGpu, packed, {1}), c(kGpu, packed, {1}, /*filled=*/true);
  for (const int64_t filters : {1, 5, 64, 257}) {
    if (quick && filters > 64) continue;
    const rat::Taps taps({2, 3, 4}, filters);
    const Tensor x = at::randn({a.rows(0).tokens, 6}, type), weight = at::randn({taps.columns, 6}, type),
                 bias = at::randn({3 * filters}, type),
                 d = at::randn({a.rows(0).sequences, 3 * filters}, type);
    const auto run = [&](const rat::ForwardRows& rows, const Tensor& x, at::Device device) {
      const Tensor x_here = x.to(device), weight_here = weight.to(device);
      const auto [out, winners] = rat::kernels::conv_max_pool.on(device)(
          x_here, weight_here, bias.to(device), rows.starts, rows.starts_index, rows.ends_index, taps);
      const auto [dx, dweight, dbias] = rat::kernels::conv_max_pool_backward.on(device)(
          d.to(device), x_here, weight_here, winners, rows.starts, rows.starts_index, rows.ends_index, taps);
      return std::vector<Tensor>{out, winners, dx, dweight, dbias};
    };
    std::vector<Tensor> all = run(a.rows(0), x, at::kCPU);
    same_all("conv_max_pool", all, run(b.rows(0), x, kGpu), close);
    all[2] = filled(all[2], 1, 0);
    same_all("conv_max_pool with filler", all, run(c.rows(0), filled(x, 1, 7), kGpu), close);
  }
}

void test_attention_pool(at::ScalarType type, double close, const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {2}), b(kGpu, packed, {2});
  for (const int64_t width : {1, 31, 32, 33, 129, 300}) {
    const Tensor scores = at::randn({a.rows(0).tokens}, type),
                 values = at::randn({a.rows(0).tokens, width}, type),
                 d = at::randn({a.rows(0).sequences, width}, type);
    const auto run = [&](const rat::ForwardRows& rows, at::Device device) {
      const Tensor values_here = values.to(device);
      const auto [weights, out] = rat::kernels::attention_pool.on(device)(scores.to(device), values_here,
                                                                          rows.starts, rows.starts_index);
      const auto [dscores, dvalues] = rat::kernels::attention_pool_backward.on(device)(
          d.to(device), values_here, weights, rows.starts, rows.starts_index);
      return std::vector<Tensor>{weights, out, dscores, dvalues};
    };
    same_all("attention_pool", run(a.rows(0), at::kCPU), run(b.rows(0), kGpu), close);
  }
}

/// Of the second forward, which has two copies.
rat::Dropout dropout_of(const OneBatch& on, bool masked) {
  return masked ? rat::Dropout(on.step.scalars(), on.step.device_scalars(), 1, 2) : rat::Dropout();
}

/// Two steps of parameters whose sizes are at and around a block's, more of them than a launch takes, with and without
/// clipping and copies in bf16; then one that is not finite.
void test_adamw(at::ScalarType type, double close) {
  rat::Lanes lanes(1, 1);
  std::vector<rat::AdamWUpdate> cpu, gpu;
#ifdef __SANITIZE_THREAD__
  const int count = 3;
#else
  const int count = quick ? 43 : 90;
#endif
  for (int i = 0; i < count; ++i) {
    const int64_t size = i == 0 ? 4096 : i == 1 ? 4097 : i == 2 ? 9000 : 1 + 37 * i;
    const bool has_low = type == at::kFloat && i % 3 != 1;
    rat::AdamWUpdate one{
        .tensors = {at::randn({size}, type), at::randn({size}, type), at::rand({size}, type)},
        .gradient = at::randn({size}, type),
        .count = at::full({}, 1 + i % 4, at::kFloat),
        .weight_decay = i % 2 == 0 ? 0.01 : 0,
        .learning_rate_scale = i % 5 == 0 ? 0.9 : 1,
    };
    if (has_low) one.tensors.low = one.tensors.values.to(at::kBFloat16);
    gpu.push_back(one);
    for (Tensor* of : {&gpu[i].tensors.values, &gpu[i].tensors.first_moment, &gpu[i].tensors.second_moment,
                       &gpu[i].tensors.low, &gpu[i].gradient, &gpu[i].count})
      if (of->defined()) *of = of->to(kGpu, /*non_blocking=*/false, /*copy=*/true);
    cpu.push_back(std::move(one));
  }
  const auto compare = [&](const char* what) {
    for (size_t i = 0; i < cpu.size(); ++i) {
      const rat::AdamWTensors &c = cpu[i].tensors, &g = gpu[i].tensors;
      same_all(what, {c.values, c.first_moment, c.second_moment}, {g.values, g.first_moment, g.second_moment},
               close / 10);
      // The rounded numbers of the GPU, not those of the CPU that may be on the other side of a half.
      if (c.low.defined()) same(what, g.values.cpu().to(at::kBFloat16), g.low, 0);
      if (c.low.defined()) same(what, c.values.to(at::kBFloat16), c.low, 0);
    }
  };
  rat::UpdateScalars scalars{.learning_rate = 1e-2, .lanes = &lanes};
  scalars.device_learning_rate = at::full({}, 1e-2, at::kDouble).to(kGpu);
  for (const double scale : {1.0, 0.3}) {
    scalars.gradient_scale = scale;
    if (scale != 1) scalars.device_gradient_scale = at::full({}, scale, at::kDouble).to(kGpu);
    rat::kernels::adamw.on(at::kCPU)(cpu, scalars);
    rat::kernels::adamw.on(kGpu)(gpu, scalars);
    compare("adamw");
  }
  scalars.found_inf = at::ones({}, at::kFloat).to(kGpu);
  rat::kernels::adamw.on(kGpu)(gpu, scalars);
  compare("adamw that must not change anything");
}

/// What attention is given, of the second forward.
rat::AttentionShape shape_of(const OneBatch& on, int64_t heads, int64_t head_width, bool first_only,
                             bool masked) {
  const rat::ForwardRows& rows = on.rows(1);
  return {rows.sequences,
          rows.longest,
          heads,
          head_width,
          rows.starts,
          rows.starts_index,
          rows.ends_index,
          first_only,
          dropout_of(on, masked).mask(rows.sequence_rows, rat::DropoutSite::kAttention, 3)};
}

/// By LibTorch's operators on a padded grid: what low precision may cost.
std::vector<Tensor> plain_attention(const OneBatch& on, const Tensor& qkv, const Tensor& first,
                                    const Tensor& d, int64_t heads, bool masked) {
  const Tensor x = qkv.detach().clone().requires_grad_();
  const bool first_only = first.size(0) != qkv.size(0);
  const Tensor q = first_only ? first.detach().clone().requires_grad_() : Tensor();
  const Tensor out = rat::padded_attention(x, q, on.rows(1), heads, dropout_of(on, masked), 3);
  out.backward(d);
  return {out.detach(), x.grad(), first_only ? q.grad() : x.grad()};
}

/// In bf16 the CPU's result in float, of the same rounded numbers, is the measure, and the plain operators' error in bf16 says
/// how far off a good one may be.
void test_attention(at::ScalarType type, double close, const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {1, 2}), b(kGpu, packed, {1, 2}),
      c(kGpu, packed, {1, 2}, /*filled=*/true);
  for (const int64_t width : {8, 32, 33, 64, 128})
    for (const bool first_only : {false, true})
      for (const bool masked : {false, true}) {
        if (quick && (width == 8 || (width == 33 && masked))) continue;
        if (first_only && width != 33 && width != 64) continue;
#ifdef __SANITIZE_THREAD__  // a fiber for each CUDA thread makes it slow
        if (!masked || first_only || (width != 33 && width != 128)) continue;
#endif
        if (type == at::kDouble && (width == 8 || width == 32)) continue;
        constexpr int64_t kHeads = 2;
        const rat::ForwardRows& rows = a.rows(1);
        const int64_t queries = first_only ? rows.sequences : rows.tokens, all = kHeads * width;
        const Tensor qkv = at::randn({rows.tokens, (first_only ? 2 : 3) * all}, at::kFloat).to(type),
                     first = at::randn({queries, all}, at::kFloat).to(type),
                     d = at::randn({queries, all}, at::kFloat).to(type);
        const auto calculate = [&](const OneBatch& on, const Tensor& x, const Tensor& q, const Tensor& dout) {
          const rat::AttentionShape shape = shape_of(on, kHeads, width, first_only, masked);
          const auto [out, log_sums] = rat::kernels::attention.on(x.device())(x, q, shape);
          const auto [dx, dq] =
              rat::kernels::attention_backward.on(x.device())(dout, x, q, out, log_sums, shape);
          return std::vector<Tensor>{out, dx, dq};
        };
        const auto run = [&](const OneBatch& on, at::Device device, at::ScalarType in) {
          const Tensor x = qkv.to(device, in);
          return calculate(on, x, first_only ? first.to(device, in) : x, d.to(device, in));
        };
        const auto gpu = run(b, kGpu, type);
        const Tensor x = filled(qkv, 2, NAN).to(kGpu);
        if (first_only) {
          const auto with_filler = calculate(c, x, first.to(kGpu), d.to(kGpu));
          same("attention with filler", filled(gpu[1].cpu(), 2, 0), with_filler[1], 0);
          same_all("attention of first tokens with filler", {gpu[0].cpu(), gpu[2].cpu()},
                   {with_filler[0], with_filler[2]}, 0);
        } else {
          same_all("attention with filler", zero_filled(gpu, 2),
                   calculate(c, x, x, filled(d, 2, NAN).to(kGpu)), 0);
        }
        if (type != at::kBFloat16) {
          same_all("attention", run(a, at::kCPU, type), gpu, close);
          continue;
        }
        const auto exact = run(a, at::kCPU, at::kFloat);
#ifndef __SANITIZE_THREAD__  // autograd's threads
        const auto plain = plain_attention(a, qkv, first, d, kHeads, masked);
        for (size_t i = 0; i < exact.size(); ++i)
          same("attention", exact[i], gpu[i].cpu().to(at::kFloat),
               2 * (plain[i].to(at::kFloat) - exact[i]).abs().max().item<double>());
#endif
      }
}

#ifndef __SANITIZE_THREAD__
/// LibTorch's on the GPU beside the plain operators on the CPU, in float, of the same numbers.
void test_torch_attention(at::ScalarType type, double close, const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {1, 2}), b(kGpu, packed, {1, 2});
  constexpr int64_t kHeads = 2;
  for (const int64_t width : {8, 32, 64, 136})
    for (const bool first_only : {false, true}) {
      if (!rat::has_torch_attention(kGpu, type, width)) continue;
      const rat::ForwardRows& rows = a.rows(1);
      const int64_t queries = first_only ? rows.sequences : rows.tokens, all = kHeads * width;
      const auto numbers = [&](int64_t count, int64_t columns) {
        return at::randn({count, columns}, at::kFloat).to(type);
      };
      const Tensor qkv = numbers(rows.tokens, (first_only ? 2 : 3) * all), first = numbers(queries, all),
                   d = numbers(queries, all);
      const auto exact =
          plain_attention(a, qkv.to(at::kFloat), first.to(at::kFloat), d.to(at::kFloat), kHeads, false);
      const Tensor x = qkv.to(kGpu).requires_grad_();
      const Tensor q = first_only ? first.to(kGpu).requires_grad_() : Tensor();
      const Tensor out = rat::torch_attention(x, q, b.rows(1), kHeads, {});
      out.backward(d.to(kGpu));
      const std::vector<Tensor> theirs{out.detach(), x.grad(), first_only ? q.grad() : x.grad()};
      for (size_t i = 0; i < exact.size(); ++i)
        same("LibTorch's attention", exact[i], theirs[i].cpu().to(at::kFloat), close);
      const at::NoGradGuard no_grad;
      same("LibTorch's attention without gradients", exact[0],
           rat::torch_attention(x, q, b.rows(1), kHeads, {}).cpu().to(at::kFloat), close);
    }
}
#endif

void test_add_norm(at::ScalarType type, at::ScalarType residual_type, double close,
                   const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {1, 2}), b(kGpu, packed, {1, 2});
  for (const int64_t width : {1, 3, 31, 64, 129, 300})
    for (const bool masked : {false, true}) {
#ifdef __SANITIZE_THREAD__
      if (!masked || (width != 31 && width != 129)) continue;
#endif
      const int64_t rows = a.rows(1).tokens;
      const Tensor x = at::randn({rows, width}, at::kFloat).to(type),
                   residual = at::randn({rows, width}, residual_type),
                   weight = at::randn({width}, residual_type), bias = at::randn({width}, residual_type),
                   d = at::randn({rows, width}, residual_type);
      const auto run = [&](const OneBatch& on, at::Device device) {
        const rat::SiteMask mask =
            dropout_of(on, masked).mask(on.rows(1).token_rows, rat::DropoutSite::kFeedForward, 2);
        const Tensor w = weight.to(device);
        const auto [y, sum, stats] = rat::kernels::add_norm.on(device)(x.to(device), residual.to(device), w,
                                                                       bias.to(device), 1e-5, mask);
        const auto [dx, dresidual, dweight, dbias] =
            rat::kernels::add_norm_backward.on(device)(d.to(device), sum, stats, w, type, mask);
        return std::vector<Tensor>{y, sum, stats, dx, dresidual, dweight, dbias};
      };
      same_all("add_norm", run(a, at::kCPU), run(b, kGpu), close);
    }
}

void test_gelu(at::ScalarType type, double close) {
  for (const int64_t rows : {1, 7, 128, 130})
    for (const int64_t width : {1, 31, 32, 100}) {
      const Tensor x = (2 * at::randn({rows, width})).to(type), dy = at::randn({rows, width}).to(type);
      // Sums are of what is not rounded yet.
      const auto exact = type == at::kBFloat16 ? at::kFloat : type;
      const auto [dx, sums] = rat::kernels::gelu_backward.on(at::kCPU)(dy.to(exact), x.to(exact));
      const auto [on_gpu, sums_on_gpu] = rat::kernels::gelu_backward.on(kGpu)(dy.to(kGpu), x.to(kGpu));
      same("gelu_backward", dx.to(type), on_gpu, close);
      same("gelu_backward's sums", sums, sums_on_gpu, exact == at::kDouble ? 1e-11 : 1e-4);
    }
}

void test_embeddings(at::ScalarType type, double close, const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {2}), b(kGpu, packed, {2});
  for (const int64_t width : {1, 3, 64, 129, 300}) {
    const Tensor matrix = at::randn({23, width}, type), of_slots = at::randn({2, 24, width}, type),
                 of_rows = at::randn({2, a.batch().tokens().size(0), width}, type);
    const auto run = [&](const OneBatch& on, at::Device device) {
      const auto& embed = rat::kernels::embed.on(device);
      const Tensor table = matrix.to(device);
      const rat::DeviceBatch& batch = on.batch();
      return std::vector<Tensor>{embed(table, batch.tokens(), 2, {}, {}),
                                 embed(table, batch.tokens(), 2, of_slots.to(device), batch.slots().index),
                                 embed(table, batch.tokens(), 2, of_rows.to(device), {})};
    };
    same_all("embed", run(a, at::kCPU), run(b, kGpu), 0);

    const Tensor x = at::randn({a.rows(0).tokens, width}, type), positions = at::randn({300, width}, type),
                 types = at::randn({2, width}, type), weight = at::randn({width}, type),
                 bias = at::randn({width}, type);
    for (const bool masked : {false, true}) {
      const auto normed = [&](const OneBatch& on, at::Device device) {
        const rat::SiteMask mask =
            dropout_of(on, masked).mask(on.rows(0).token_rows, rat::DropoutSite::kEmbeddings, 0);
        const auto norm = [&](const Tensor& table, const Tensor& type_of_row) {
          return rat::kernels::embedding_norm.on(device)(x.to(device), positions.to(device), table,
                                                         type_of_row, weight.to(device), bias.to(device),
                                                         1e-5, mask);
        };
        std::vector<Tensor> results;
        for (const auto& [y, sum, stats] :
             {norm(types.to(device), on.rows(0).token_types), norm(types.to(device), {}), norm({}, {})})
          results.insert(results.end(), {y, sum, stats});
        return results;
      };
      same_all("embedding_norm", normed(a, at::kCPU), normed(b, kGpu), close);
    }
  }
}

/// Groups of examples and one of all but the last row; gradients that are tiny, zero and not finite.
void test_perturbation(at::ScalarType type, double close, const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {1}, /*filled=*/true), b(kGpu, packed, {1}, /*filled=*/true);
  const int64_t rows = a.batch().tokens().size(0);
  const auto starts = [](const OneBatch& on) { return on.batch().by_example().starts; };
  for (const int64_t width : {1, 31, 32, 100}) {
    Tensor gradient = at::randn({rows, width}, type) * 1e-30, delta = at::randn({rows, width}, type);
    for (const bool by_example : {false, true}) {
      if (by_example) {
        gradient[0].fill_(0);  // the first example is one token
        gradient[2][0] = std::numeric_limits<double>::infinity();
      } else {
        gradient[-1].fill_(0);
      }
      const auto run = [&](const OneBatch& on, at::Device device) {
        const rat::RowGroups groups = by_example
                                          ? rat::RowGroups{.starts = starts(on), .count = packed.examples()}
                                          : rat::RowGroups{.rows = rows - 1};
        const Tensor g = gradient.to(device), d = delta.to(device);
        const rat::Perturbed of_two = rat::kernels::perturb.on(device)(g, groups, {0.5, 2});
        const rat::Perturbed inside = rat::kernels::ascend.on(device)(d, g, groups, 0.25, 1e3),
                             on_ball = rat::kernels::ascend.on(device)(d, g, groups, 0.25, 0.125);
        std::vector<Tensor> results{rat::kernels::group_norms.on(device)(d, groups)};
        for (const rat::Perturbed* each : {&of_two, &inside, &on_ball})
          results.insert(results.end(), {each->values, each->norms, each->unusable});
        return results;
      };
      const auto on_cpu = run(a, at::kCPU);
      same_all("perturb", on_cpu, run(b, kGpu), close);
      // The norms are the radii, but where there is no direction; rows of no group have none.
      const Tensor of_two = on_cpu[2].view({2, -1}), unusable = on_cpu[3];
      same("norms of perturb", at::tensor({0.5, 2.0}, at::kDouble).unsqueeze(1) * (1 - unusable), of_two,
           10 * close);
      same("norms of ascend", at::full_like(on_cpu[8], 0.125), on_cpu[8], 10 * close);
      same("rows of no group", at::zeros_like(on_cpu[1].select(1, rows - 1)), on_cpu[1].select(1, rows - 1),
           0);
      same("unusable", at::full({}, by_example ? 2.0 : 0.0, at::kDouble), unusable.sum(), 0);
    }
  }
}

void test_add_segments(at::ScalarType type, double close, const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {2}), b(kGpu, packed, {2});
  for (const int64_t width : {1, 31, 32, 33, 100}) {
    const Tensor x = at::randn({a.rows(0).tokens, width}, type);
    const auto run = [&](const OneBatch& on, at::Device device) {
      std::vector<Tensor> results;
      for (const rat::Segments* segments : {&on.rows(0).by_position, &on.rows(0).by_token_type,
                                            &on.batch().slots().by_slot, &on.batch().by_example()}) {
        Tensor sums = at::ones({segments->count + 1, width}, type).to(device);
        rat::kernels::add_segments.on(device)(x.to(device), *segments, 2, sums);
        results.push_back(sums);
      }
      return results;
    };
    same_all("add_segments", run(a, at::kCPU), run(b, kGpu), close);
  }
}

#ifndef __SANITIZE_THREAD__
/// The layers around them, through autograd.
void test_layers(at::ScalarType type, double close, const rat::PackedBatch& packed) {
  const OneBatch a(at::kCPU, packed, {2}), b(kGpu, packed, {2});
  const rat::ForwardRows &cpu = a.rows(0), &gpu = b.rows(0);
  Leaves convolutions;
  convolutions.add({cpu.tokens, 6}, type);
  for (const int64_t width : {2, 3, 4}) convolutions.add({5, 6, width}, type);
  for (int i = 0; i < 3; ++i) convolutions.add({5}, type);
  const auto convolve = [](const std::vector<Tensor>& l, const rat::ForwardRows& rows) {
    return rat::conv_relu_max_pool(l[0], rows, {l[1], l[2], l[3]}, {l[4], l[5], l[6]});
  };
  convolutions.compare("conv_relu_max_pool", convolve(convolutions.cpu, cpu), convolve(convolutions.gpu, gpu),
                       close);

  Leaves pool;
  pool.add({cpu.tokens}, type);
  pool.add({cpu.tokens, 33}, type);
  pool.compare("attention_pool", rat::attention_pool(pool.cpu[0], pool.cpu[1], cpu),
               rat::attention_pool(pool.gpu[0], pool.gpu[1], gpu), close);

  for (const bool typed : {true, false}) {
    Leaves leaves;  // x, positions, weight, bias, and types
    for (const int64_t size : {cpu.tokens, cpu.longest + 5}) leaves.add({size, 33}, type);
    for (int i = 0; i < 2; ++i) leaves.add({33}, type);
    if (typed) leaves.add({2, 33}, type);
    const auto embed = [&](const std::vector<Tensor>& l, const OneBatch& on) {
      const rat::AddedRows added{
          .positions = l[1], .first_position = 3, .token_types = typed ? l[4] : Tensor()};
      return rat::embedding_norm(l[0], added, on.rows(0), {l[2], l[3]}, dropout_of(on, typed));
    };
    leaves.compare("embedding_norm", embed(leaves.cpu, a), embed(leaves.gpu, b), close);
  }

  Leaves x;
  x.add({cpu.tokens, 33}, type);
  x.compare("take_rows", rat::take_rows(x.cpu[0], cpu.last_tokens), rat::take_rows(x.gpu[0], gpu.last_tokens),
            0);
  Leaves y;
  y.add({cpu.tokens, 33}, type);
  y.compare("permute_rows", rat::permute_rows(y.cpu[0], cpu.time_major.order, cpu.time_major.inverse),
            rat::permute_rows(y.gpu[0], gpu.time_major.order, gpu.time_major.inverse), 0);
}
#endif

}  // namespace

int main(int argc, char** argv) {
  quick = argc > 1 && std::strcmp(argv[1], "quick") == 0;
  at::set_num_threads(1);
  at::Generator random(at::globalContext().defaultGenerator(at::kCPU));
  random.set_current_seed(1);
  const c10::DeviceGuard guard(kGpu);
  const rat::PackedBatch packed = batch_of({1, 7, 3, 2, 5, 4, quick ? 33 : 140, 1});
  // More than a tile of any kernel; the work grows with the square.
#ifdef __SANITIZE_THREAD__
  const rat::PackedBatch sequences = batch_of({1, 40});
#else
  const rat::PackedBatch sequences = batch_of({1, 7, 33, quick ? 40 : 70});
#endif
  test_batch(packed);
  for (const auto type : {at::kFloat, at::kDouble}) {
    if (quick && type == at::kDouble) continue;
    const double close = type == at::kFloat ? 1e-5 : 1e-12;
    test_losses(type, close);
    if (type == at::kFloat) test_noise(packed);
    test_adamw(type, close);
    test_dropout(type, packed);
    test_conv_max_pool(type, close, packed);
    test_attention_pool(type, close, packed);
    test_attention(type, close, sequences);
    test_add_norm(type, type, close, sequences);
    test_gelu(type, close);
    test_embeddings(type, close, packed);
    test_perturbation(type, close, packed);
    test_add_segments(type, close, packed);
#ifndef __SANITIZE_THREAD__
    test_layers(type, close, packed);
#endif
  }
  random.set_current_seed(
      1);  // the largest error of a few numbers is luck, which other tests are not to change
  test_attention(at::kBFloat16, 0, sequences);
  test_gelu(at::kBFloat16, 1e-2);
  test_add_norm(at::kBFloat16, at::kFloat, 1e-3, sequences);  // a gradient of x is rounded to bf16
#ifndef __SANITIZE_THREAD__
  test_torch_attention(at::kFloat, 1e-4, sequences);
  test_torch_attention(at::kBFloat16, 5e-2, sequences);
#endif
  std::printf("%d checks, %d failed, bits %016llx\n", checks, failures,
              static_cast<unsigned long long>(fingerprint));
  return failures != 0;
}
