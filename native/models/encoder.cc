// Post-LayerNorm Transformer encoders: BERT (Devlin et al., 2019), RoBERTa (Liu et al., 2019), ALBERT
// (Lan et al., 2020), DistilBERT (Sanh et al., 2019), ELECTRA (Clark et al., 2020). What differs between
// them is data: EncoderOptions.
// The class comes from the first token alone, so the last layer computes keys and values for all tokens and
// everything else for that one: same function, same masks.
#include <algorithm>

#include "core/check.h"
#include "core/savings.h"
#include "layers/add_norm.h"
#include "layers/attention.h"
#include "layers/embedding_norm.h"
#include "layers/linear.h"
#include "layers/rows.h"
#include "models/registry.h"

namespace rat {
namespace {

struct EncoderLayer {
  LinearLayer qkv;  // [3 D, D]: queries, keys, values, one below the other
  LinearLayer attention_output;
  LayerNorm attention_norm;
  LinearLayer intermediate, output;
  LayerNorm output_norm;
};

class Encoder final : public Model {
 public:
  Encoder(const ModelOptions& options, Initializer& initializer)
      : Model(options), encoder_(options_.encoder), initializer_(&initializer) {
    const int64_t width = options_.hidden_size, embedding = options_.embedding_size;
    RAT_CHECK(encoder_.heads > 0 && width % encoder_.heads == 0, "ERR_RAT_MODEL_MISMATCH", "hidden size ",
              width, " is not a multiple of ", encoder_.heads, " heads");
    RAT_CHECK(encoder_.position_offset < encoder_.max_positions, "ERR_RAT_MODEL_MISMATCH",
              "there are no positions: ", encoder_.max_positions, " with the first at ",
              encoder_.position_offset);
    RAT_CHECK(static_cast<int64_t>(encoder_.layer_order.size()) == options_.layers, "ERR_RAT_INVALID_ARG",
              "layerOrder must name a set of weights for each of the ", options_.layers, " layers");
    RAT_CHECK(encoder_.fresh_layers <= options_.layers, "ERR_RAT_INVALID_ARG",
              "freshLayers is more than the ", options_.layers, " layers");
    // The head is drawn first, so that it is the same whether the rest is drawn or loaded.
    const LinearLayer dense = make_linear(width, width);
    const LinearLayer classifier = make_linear(options_.outputs, width);
    skip_ = encoder_.pretrained;

    add_word_embedding(name("wordEmbeddings") + ".weight", draw({options_.vocabulary_size, embedding}));
    positions_ = add(name("positionEmbeddings") + ".weight", draw({encoder_.max_positions, embedding}));
    if (encoder_.token_types > 0)
      token_types_ = add(name("tokenTypeEmbeddings") + ".weight", draw({encoder_.token_types, embedding}));
    embedding_norm_ = add_layer_norm(name("embeddingNorm"), embedding);
    if (encoder_.names.count("projection"))
      projection_ = with_cast(add_linear(name("projection"), make_linear(width, embedding)));
    const auto& order = encoder_.layer_order;
    for (const std::string& prefix : encoder_.layer_prefixes) {
      const auto set = static_cast<int64_t>(layers_.size());
      const bool is_fresh = std::find(order.end() - encoder_.fresh_layers, order.end(), set) != order.end();
      skip_ = encoder_.pretrained && !is_fresh;
      set_depth(1 +
                (std::find(order.begin(), order.end(), set) - order.begin()));  // of the first that has it
      layers_.push_back(add_layer(prefix));
    }
    for (const int64_t set : order)
      RAT_CHECK(set >= 0 && set < static_cast<int64_t>(layers_.size()), "ERR_RAT_INVALID_ARG",
                "layerOrder names a set of weights that is not there: ", set);
    set_depth(1 + options_.layers);
    dense_ = add_linear(name("dense"), dense);
    classifier_ = add_linear(name("classifier"), classifier);
    initializer_ = nullptr;
    if (encoder_.takes_torch_attention)
      require_torch_attention(positions_.device(), compute(), width / encoder_.heads);
  }

  int64_t longest() const override { return encoder_.max_positions - encoder_.position_offset; }
  RowIndices row_indices() const override { return indices(encoder_.takes_torch_attention); }
  /// LibTorch's attention needs dropout masks of its own and adds gradients up in no fixed order; a prediction has neither.
  RowIndices prediction_indices() const override {
    return indices(encoder_.takes_torch_attention ||
                   (is_on(Saving::kPacked) && is_on(Saving::kTorchAttention) &&
                    has_torch_attention(positions_.device(), compute(), head_width())));
  }
  DropoutRates dropout_rates() const override {
    return {encoder_.hidden_dropout, encoder_.attention_dropout, encoder_.classifier_dropout};
  }

  at::Tensor logits(const at::Tensor& x, const ForwardRows& rows, const Dropout& settings) const override {
    at::Tensor h = entered(x, rows, settings);
    for (int64_t i = 0; i + 1 < options_.layers; ++i) h = layer_forward(h, rows, i, settings);
    return ended(h, rows, settings);
  }

  /// Each layer's part of the backward pass begins with its forward, of the same masks.
  Forward forward(const at::Tensor& x, const ForwardRows& rows, const Dropout& settings) const override {
    if (!encoder_.recomputes) return Model::forward(x, rows, settings);
    std::vector<at::Tensor> states;  // what each layer begins with
    {
      const at::NoGradGuard no_grad;
      states.push_back(entered(x, rows, settings));
      for (int64_t i = 0; i + 1 < options_.layers; ++i)
        states.push_back(layer_forward(states.back(), rows, i, settings));
    }
    const auto end = [=, this](const at::Tensor& h) { return ended(h, rows, settings); };
    Forward last = taken(states.back(), end);
    states.pop_back();
    return {last.logits, [=, this](const at::Tensor& dlogits, bool keeps_parameters) mutable {
              at::Tensor slope = last.backward(dlogits, keeps_parameters);
              last.backward = nullptr;
              for (; !states.empty(); states.pop_back()) {
                const auto i = static_cast<int64_t>(states.size()) - 1;
                const auto layer = [&](const at::Tensor& h) { return layer_forward(h, rows, i, settings); };
                slope = taken(states.back(), layer).backward(slope, keeps_parameters);
              }
              const auto enter = [&](const at::Tensor& h) { return entered(h, rows, settings); };
              return taken(x, enter).backward(slope, keeps_parameters);
            }};
  }

 private:
  int64_t head_width() const { return options_.hidden_size / encoder_.heads; }

  RowIndices indices(bool torch_attention) const {
    return {.encoder = true,
            .padded_attention = !torch_attention && pads_attention(positions_.device(), head_width()),
            .torch_attention = torch_attention};
  }

  /// What the first layer begins with.
  at::Tensor entered(const at::Tensor& x, const ForwardRows& rows, const Dropout& settings) const {
    const at::Tensor h = embedding_norm(x, {positions_, encoder_.position_offset, token_types_}, rows,
                                        embedding_norm_, settings);
    return projection_.weight.defined() ? product(h, projection_).to(x.scalar_type()) : h;
  }

  /// The last layer and the head.
  at::Tensor ended(const at::Tensor& h, const ForwardRows& rows, const Dropout& settings) const {
    const at::Tensor last = layer_forward(h, rows, options_.layers - 1, settings);
    return head(is_on(Saving::kClsOnly) ? last : take_rows(last, rows.first_tokens), rows, settings);
  }

  /// `h` `[tokens, D]`, the result too, or `[S, D]` from the last layer. The sum that passes from layer to
  /// layer has the parameters' type, whatever the products' is.
  at::Tensor layer_forward(const at::Tensor& h, const ForwardRows& rows, int64_t number,
                           const Dropout& settings) const {
    const auto index = static_cast<uint32_t>(number);
    const EncoderLayer& layer = layers_[static_cast<size_t>(encoder_.layer_order[index])];
    const bool last = number + 1 == options_.layers && is_on(Saving::kClsOnly);
    const int64_t width = options_.hidden_size;
    at::Tensor residual = h, context;
    if (last) {
      residual = take_rows(h, rows.first_tokens);
      const at::Tensor queries = product(residual, layer.qkv.narrow(0, width));
      const at::Tensor keys_values = product(h, layer.qkv.narrow(width, 2 * width));
      context = attention(keys_values, queries, rows, settings, index);
    } else {
      context = attention(product(h, layer.qkv), {}, rows, settings, index);
    }
    const MaskRows& mask_rows = last ? rows.sequence_rows : rows.token_rows;
    const Dropout none;
    const at::Tensor attended =
        add_norm(product(context, layer.attention_output), residual, layer.attention_norm, mask_rows,
                 encoder_.attention_output_dropout ? settings : none, DropoutSite::kAttentionOutput, index);
    return add_norm(product(activated(attended, layer.intermediate), layer.output), attended,
                    layer.output_norm, mask_rows, encoder_.feed_forward_dropout ? settings : none,
                    DropoutSite::kFeedForward, index);
  }

  /// `first` `[S, D]`: the first token's state. BERT, ALBERT: dense, tanh, dropout. RoBERTa: dropout before
  /// them too; ELECTRA: so, with GELU. DistilBERT: dense, ReLU, dropout.
  at::Tensor head(const at::Tensor& first, const ForwardRows& rows, const Dropout& settings) const {
    const at::ScalarType type = first.scalar_type();
    at::Tensor x = first;
    if (encoder_.head == "dense" || encoder_.head == "dense-gelu")
      x = dropout(x, rows.sequence_rows, settings, DropoutSite::kHeadInput, 0);
    x = linear(x, dense_, type);
    x = encoder_.head == "pre-classifier" ? at::relu(x)
        : encoder_.head == "dense-gelu"   ? at::gelu(x)
                                          : at::tanh(x);
    x = dropout(x, rows.sequence_rows, settings, DropoutSite::kSentence, 0);
    return linear(x, classifier_, type);
  }

  at::Tensor attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                       const Dropout& settings, uint32_t layer) const {
    return rows.starts_32.of_tokens.defined()
               ? torch_attention(qkv, first_queries, rows, encoder_.heads, settings)
               : rat::attention(qkv, first_queries, rows, encoder_.heads, settings, layer);
  }

  at::Tensor product(const at::Tensor& x, const LinearLayer& layer) const {
    return linear(x, layer, compute());
  }

  at::ScalarType compute() const {
    return positions_.scalar_type() == at::kDouble ? at::kDouble : options_.compute;
  }

  at::Tensor activated(const at::Tensor& x, const LinearLayer& layer) const {
    if (encoder_.activation == "gelu") return linear_gelu(x, layer, compute());
    const at::Tensor y = product(x, layer);
    return encoder_.activation == "relu" ? at::relu(y) : at::gelu(y, "tanh");
  }

  const std::string& name(const std::string& of) const {
    const auto found = encoder_.names.find(of);
    RAT_CHECK(found != encoder_.names.end(), "ERR_RAT_INVALID_ARG", "names has no ", of);
    return found->second;
  }

  at::Tensor draw(at::IntArrayRef shape) {
    return skip_ ? initializer_->skip(shape) : initializer_->normal(shape, encoder_.initializer_range);
  }

  LinearLayer make_linear(int64_t outputs, int64_t inputs) {
    return {draw({outputs, inputs}), initializer_->constant({outputs}, 0)};
  }

  LinearLayer add_linear(const std::string& prefix, const LinearLayer& layer) {
    return {add(prefix + ".weight", layer.weight), add(prefix + ".bias", layer.bias)};
  }

  /// For products, which may be in another type.
  LinearLayer with_cast(LinearLayer layer) {
    if (compute() == layer.weight.scalar_type()) return layer;
    layer.low_weight = initializer_->like(layer.weight, compute());
    layer.low_bias = initializer_->like(layer.bias, compute());
    add_cast(layer.weight, layer.low_weight);
    add_cast(layer.bias, layer.low_bias);
    return layer;
  }

  LayerNorm add_layer_norm(const std::string& prefix, int64_t width) {
    return {add(prefix + ".weight", initializer_->constant({width}, 1), false),
            add(prefix + ".bias", initializer_->constant({width}, 0), false), encoder_.layer_norm_eps};
  }

  EncoderLayer add_layer(const std::string& prefix) {
    const int64_t width = options_.hidden_size;
    EncoderLayer layer;
    layer.qkv = make_linear(3 * width, width);
    const auto parts = [&](const char* suffix) {
      return std::vector<std::string>{prefix + name("query") + suffix, prefix + name("key") + suffix,
                                      prefix + name("value") + suffix};
    };
    add_parts(layer.qkv.weight, parts(".weight"));
    add_parts(layer.qkv.bias, parts(".bias"));
    layer.qkv = with_cast(layer.qkv);
    layer.attention_output =
        with_cast(add_linear(prefix + name("attentionOutput"), make_linear(width, width)));
    layer.attention_norm = add_layer_norm(prefix + name("attentionNorm"), width);
    layer.intermediate =
        with_cast(add_linear(prefix + name("intermediate"), make_linear(encoder_.intermediate_size, width)));
    layer.output =
        with_cast(add_linear(prefix + name("output"), make_linear(width, encoder_.intermediate_size)));
    layer.output_norm = add_layer_norm(prefix + name("outputNorm"), width);
    return layer;
  }

  const EncoderOptions& encoder_;
  Initializer* initializer_;  // while constructing
  bool skip_ = false;
  at::Tensor positions_, token_types_;
  LayerNorm embedding_norm_;
  LinearLayer projection_;
  std::vector<EncoderLayer> layers_;  // sets of weights
  LinearLayer dense_, classifier_;
};

}  // namespace

std::unique_ptr<Model> make_encoder(const ModelOptions& options, Initializer& initializer) {
  return std::make_unique<Encoder>(options, initializer);
}

}  // namespace rat
