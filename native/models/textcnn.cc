// TextCNN (Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014): convolutions of
// several widths over the word embeddings, ReLU, maximum over time, dropout, a linear classifier.
#include <cmath>

#include "core/check.h"
#include "layers/conv_max_pool.h"
#include "layers/linear.h"
#include "models/registry.h"

namespace rat {
namespace {

class TextCnn final : public Model {
 public:
  TextCnn(const ModelOptions& options, Initializer& initializer) : Model(options) {
    RAT_CHECK(!options.windows.empty(), "ERR_RAT_INVALID_ARG", "textcnn needs at least one window width");
    add_word_embedding(
        "embedding.weight",
        initializer.normal({options.vocabulary_size, options.embedding_size}, options.embedding_std));
    set_depth(1);
    for (size_t i = 0; i < options.windows.size(); ++i) {
      const int64_t width = options.windows[i];
      RAT_CHECK(width >= 1 && width <= 64, "ERR_RAT_INVALID_ARG", "A window width must be 1 to 64, not ",
                width);
      const double bound = std::sqrt(6 / static_cast<double>(options.embedding_size * width));
      const std::string prefix = "convs." + std::to_string(i);
      weights_.push_back(
          add(prefix + ".weight",
              initializer.uniform({options.hidden_size, options.embedding_size, width}, bound)));
      biases_.push_back(add(prefix + ".bias", initializer.uniform({options.hidden_size}, bound)));
    }
    set_depth(2);
    const int64_t features = options.hidden_size * static_cast<int64_t>(options.windows.size());
    const double bound = 1 / std::sqrt(static_cast<double>(features));
    classifier_.weight = add("classifier.weight", initializer.uniform({options.outputs, features}, bound));
    classifier_.bias = add("classifier.bias", initializer.uniform({options.outputs}, bound));
  }

  at::Tensor logits(const at::Tensor& x, const ForwardRows& rows, const Dropout& settings) const override {
    const at::Tensor pooled = conv_relu_max_pool(x, rows, weights_, biases_);
    return at::linear(dropout(pooled, rows.sequence_rows, settings, DropoutSite::kSentence, 0),
                      classifier_.weight, classifier_.bias);
  }

 private:
  std::vector<at::Tensor> weights_;  // [hidden, D, width] each
  std::vector<at::Tensor> biases_;
  LinearLayer classifier_;
};

}  // namespace

std::unique_ptr<Model> make_textcnn(const ModelOptions& options, Initializer& initializer) {
  return std::make_unique<TextCnn>(options, initializer);
}

}  // namespace rat
