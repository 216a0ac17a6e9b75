// TextHAN: the word level of Yang et al., "Hierarchical Attention Networks for Document Classification"
// (NAACL 2016): a bidirectional GRU, then attention with a learned context vector over the real tokens.
#include <cmath>

#include "layers/attention_pool.h"
#include "layers/linear.h"
#include "models/recurrent_stack.h"
#include "models/registry.h"

namespace rat {
namespace {

class TextHan final : public RecurrentModel {
 public:
  TextHan(const ModelOptions& options, Initializer& initializer)
      : RecurrentModel(options, Cell::kGru, "gru", initializer) {
    const int64_t width = 2 * options.hidden_size;
    const double bound = 1 / std::sqrt(static_cast<double>(width));
    attention_.weight = add("attention.weight", initializer.uniform({width, width}, bound));
    attention_.bias = add("attention.bias", initializer.uniform({width}, bound));
    context_ = add("attention.context", initializer.uniform({width}, bound));
    add_classifier(width, initializer);
  }

  // u = tanh(W h + b), weights = softmax over the sequence of u . context, sentence = weighted sum of h.
  at::Tensor logits(const at::Tensor& x, const ForwardRows& rows, const Dropout& settings) const override {
    const at::Tensor top = states(x, rows, settings);
    const at::Tensor scores = at::mv(at::tanh(linear(top, attention_, top.scalar_type())), context_);
    const at::Tensor sentence = attention_pool(scores, top, rows);
    return classify(dropout(sentence, rows.sequence_rows, settings, DropoutSite::kSentence, 0));
  }

 private:
  LinearLayer attention_;
  at::Tensor context_;
};

}  // namespace

std::unique_ptr<Model> make_texthan(const ModelOptions& options, Initializer& initializer) {
  return std::make_unique<TextHan>(options, initializer);
}

}  // namespace rat
