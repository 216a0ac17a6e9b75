#include "addon/trainer_wrap.h"

#include <cmath>

#include "addon/options.h"
#include "core/check.h"
#include "core/device.h"

namespace rat {
namespace {

constexpr napi_type_tag kTypeTag{0x6b1f0c5e7a3d4f21, 0x9d0e8b7c6a5f4e3d};

TrainerThread::Resolve undefined() {
  return [](Napi::Env env) -> Napi::Value { return env.Undefined(); };
}

Napi::Float64Array doubles(Napi::Env env, const std::vector<double>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Object step_times(Napi::Env env, const StepTimes& times) {
  Napi::Object phases = Napi::Object::New(env);
  for (const auto& [name, milliseconds] : times.phases) phases.Set(name, milliseconds);
  Napi::Object object = Napi::Object::New(env);
  object.Set("phases", phases);
  object.Set("operators", static_cast<double>(times.operators));
  object.Set("allocations", static_cast<double>(times.allocations));
  object.Set("allocatedBytes", static_cast<double>(times.allocated_bytes));
  return object;
}

/// null if nothing was read.
Napi::Value step_result(Napi::Env env, const StepResult& result) {
  if (!result.values) return env.Null();
  Napi::Object object = Napi::Object::New(env);
  object.Set("loss", result.values->loss);
  for (const auto& [name, member] : StepLog<double>::fields()) object.Set(name, result.values->log.*member);
  if (result.times) object.Set("profile", step_times(env, *result.times));
  return object;
}

Napi::Array tensor_list(Napi::Env env,
                        const std::vector<std::pair<std::string, std::vector<int64_t>>>& tensors) {
  Napi::Array list = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    Napi::Object entry = Napi::Object::New(env);
    Napi::Array shape = Napi::Array::New(env);
    for (const int64_t size : tensors[i].second) shape.Set(shape.Length(), static_cast<double>(size));
    entry.Set("name", tensors[i].first);
    entry.Set("shape", shape);
    list.Set(i, entry);
  }
  return list;
}

}  // namespace

Napi::Function TrainerWrap::define(Napi::Env env) {
  return DefineClass(
      env, "Trainer",
      {InstanceMethod<&TrainerWrap::train_step>("trainStep"),
       InstanceMethod<&TrainerWrap::predict>("predict"), InstanceMethod<&TrainerWrap::diagnose>("diagnose"),
       InstanceMethod<&TrainerWrap::save>("save"), InstanceMethod<&TrainerWrap::load>("load"),
       InstanceMethod<&TrainerWrap::load_tensors>("loadTensors"),
       InstanceMethod<&TrainerWrap::snapshot>("snapshot"), InstanceMethod<&TrainerWrap::restore>("restore"),
       InstanceMethod<&TrainerWrap::set_embedding_rows>("setEmbeddingRows"),
       InstanceMethod<&TrainerWrap::set_class_weights>("setClassWeights"),
       InstanceMethod<&TrainerWrap::parameters>("parameters"),
       InstanceMethod<&TrainerWrap::peak_device_memory_bytes>("peakDeviceMemoryBytes"),
       InstanceMethod<&TrainerWrap::time_operator>("timeOperator"),
       InstanceMethod<&TrainerWrap::dispose>("dispose"), InstanceMethod<&TrainerWrap::cancel>("cancel")});
}

TrainerWrap::TrainerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TrainerWrap>(info) {
  guarded(info.Env(), [&] {
    TrainerOptions options = trainer_options(info[0]);
    // Fail here, in the caller's stack, rather than at the first command.
    parse_device(options.device);
    live_ = environment(info.Env()).live;
    thread_ = std::make_unique<TrainerThread>(info.Env(), std::move(options),
                                              TrainerEvents{[this] { Ref(); },
                                                            [this] {
                                                              if (thread_->has_ended())
                                                                live_->erase(thread_.get());
                                                              Unref();
                                                            },
                                                            [this](int64_t bytes) { tell_memory(bytes); }});
    live_->insert(thread_.get());
    info.This().As<Napi::Object>().TypeTag(&kTypeTag);
  });
}

void TrainerWrap::tell_memory(int64_t bytes) {
  Napi::MemoryManagement::AdjustExternalMemory(Env(), bytes - external_bytes_);
  external_bytes_ = bytes;
}

TrainerWrap::~TrainerWrap() {
  if (!thread_) return;
  live_->erase(thread_.get());
  tell_memory(0);
}

void TrainerWrap::check_receiver(const Napi::CallbackInfo& info) const {
  RAT_CHECK(info.This().IsObject() && info.This().As<Napi::Object>().CheckTypeTag(&kTypeTag),
            "ERR_RAT_INVALID_ARG", "A method of Trainer was called on something else");
}

Napi::Value TrainerWrap::submit(const Napi::CallbackInfo& info, TrainerThread::Work work) {
  return thread_->submit(info.Env(), std::move(work));
}

Napi::Value TrainerWrap::train_step(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    auto batches = std::make_shared<std::vector<PackedBatch>>(packed_batches(info[0]));
    StepOptions options;
    options.step = static_cast<uint32_t>(integer_argument(info[1], "step", 1, 0xFFFFFFFF));
    options.learning_rate = number_argument(info[2], "learningRate");
    RAT_CHECK(std::isfinite(options.learning_rate) && options.learning_rate >= 0, "ERR_RAT_INVALID_ARG",
              "Expected a finite number of at least 0 for learningRate but received ", options.learning_rate);
    if (!info[3].IsUndefined()) step_options(info[3], options);
    return thread_->submit_step(
        info.Env(), [=](Trainer& trainer, const std::atomic<bool>& cancelled) -> TrainerThread::Resolve {
          const StepResult result = trainer.train_step(*batches, options, cancelled);
          return [=](Napi::Env env) -> Napi::Value { return step_result(env, result); };
        });
  });
}

Napi::Value TrainerWrap::predict(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    auto batch = std::make_shared<PackedBatch>(packed_batch(info[0]));
    return submit(info, [=](Trainer& trainer, const std::atomic<bool>&) -> TrainerThread::Resolve {
      return
          [logits = trainer.predict(*batch)](Napi::Env env) -> Napi::Value { return doubles(env, logits); };
    });
  });
}

Napi::Value TrainerWrap::diagnose(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    auto batch = std::make_shared<PackedBatch>(packed_batch(info[0]));
    const int64_t submodels = integer_argument(info[1], "submodels", 2, kMaxForwards);
    return submit(info, [=](Trainer& trainer, const std::atomic<bool>&) -> TrainerThread::Resolve {
      return [found = trainer.diagnose(*batch, submodels)](Napi::Env env) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("inputGradientNorm", found.input_gradient_norm);
        object.Set("submodelDivergence", found.submodel_divergence);
        object.Set("averagingGap", found.averaging_gap);
        return object;
      };
    });
  });
}

Napi::Value TrainerWrap::save(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    const StateKind what = state_kind(info[0]);
    const std::string path = string_argument(info[1], "path");
    const auto metadata = string_map(info[2], "metadata");
    return submit(info, [=](Trainer& trainer, const std::atomic<bool>&) {
      trainer.save(what, path, metadata);
      return undefined();
    });
  });
}

Napi::Value TrainerWrap::load_tensors(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    const std::string path = string_argument(info[0], "path");
    const auto names = string_map(info[1], "names");
    return submit(info, [=](Trainer& trainer, const std::atomic<bool>&) {
      trainer.load_tensors(path, names);
      return undefined();
    });
  });
}

Napi::Value TrainerWrap::load(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    const StateKind what = state_kind(info[0]);
    const std::string path = string_argument(info[1], "path");
    std::string except;
    if (!info[2].IsUndefined())
      except = string_argument(object_argument(info[2], "options").Get("except"), "except");
    return submit(info, [=](Trainer& trainer, const std::atomic<bool>&) {
      trainer.load(what, path, except);
      return undefined();
    });
  });
}

Napi::Value TrainerWrap::snapshot(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    return submit(info, [](Trainer& trainer, const std::atomic<bool>&) {
      trainer.snapshot();
      return undefined();
    });
  });
}

Napi::Value TrainerWrap::restore(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    return submit(info, [](Trainer& trainer, const std::atomic<bool>&) {
      trainer.restore();
      return undefined();
    });
  });
}

Napi::Value TrainerWrap::set_embedding_rows(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    auto rows = int32_array(info[0], "rows");
    auto values = float32_array(info[1], "values");
    return submit(info, [rows = std::move(rows), values = std::move(values)](Trainer& trainer,
                                                                             const std::atomic<bool>&) {
      trainer.set_embedding_rows(rows, values);
      return undefined();
    });
  });
}

Napi::Value TrainerWrap::set_class_weights(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    auto weights = float64_array(info[0], "weights");
    return submit(info, [weights = std::move(weights)](Trainer& trainer, const std::atomic<bool>&) {
      trainer.set_class_weights(weights);
      return undefined();
    });
  });
}

Napi::Value TrainerWrap::parameters(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    return submit(info, [](Trainer& trainer, const std::atomic<bool>&) -> TrainerThread::Resolve {
      std::vector<std::pair<std::string, std::vector<int64_t>>> tensors;
      for (const Parameter& parameter : trainer.model().parameters())
        tensors.emplace_back(parameter.name, parameter.tensor.sizes().vec());
      return [=](Napi::Env env) -> Napi::Value { return tensor_list(env, tensors); };
    });
  });
}

Napi::Value TrainerWrap::peak_device_memory_bytes(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    return submit(info, [](Trainer& trainer, const std::atomic<bool>&) -> TrainerThread::Resolve {
      const auto bytes =
          static_cast<double>(device_memory(trainer.model().word_embedding().device()).held_at_most);
      return [=](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, bytes); };
    });
  });
}

Napi::Value TrainerWrap::time_operator(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&] {
    check_receiver(info);
    const std::string name = string_argument(info[0], "operator");
    const Napi::Object sizes = object_argument(info[1], "shape");
    const auto size = [&](const char* field) {
      return integer_argument(sizes.Get(field), field, 1, 1 << 20);
    };
    const OperatorShape shape{size("sequences"), size("length"), size("width"), size("outputs"),
                              size("heads")};
    const int64_t repetitions = integer_argument(info[2], "repetitions", 1, 1'000'000);
    return submit(info, [=](Trainer& trainer, const std::atomic<bool>& cancelled) -> TrainerThread::Resolve {
      const OperatorTimes times = trainer.time_operator(name, shape, repetitions, cancelled);
      return [=](Napi::Env env) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("forwardMs", doubles(env, times.forward_ms));
        object.Set("backwardMs", doubles(env, times.backward_ms));
        object.Set("flop", times.flop);
        object.Set("bytes", times.bytes);
        return object;
      };
    });
  });
}

Napi::Value TrainerWrap::dispose(const Napi::CallbackInfo& info) {
  return guarded_promise(info.Env(), [&]() -> Napi::Value {
    check_receiver(info);
    return thread_->dispose(info.Env());
  });
}

Napi::Value TrainerWrap::cancel(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    check_receiver(info);
    thread_->cancel();
    return info.Env().Undefined();
  });
}

}  // namespace rat
