// BiLSTM: bidirectional LSTM layers with dropout between them; the sentence is the top layer's forward state
// after the last token beside its backward state after the first.
#include "layers/rows.h"
#include "models/recurrent_stack.h"
#include "models/registry.h"

namespace rat {
namespace {

class BiLstm final : public RecurrentModel {
 public:
  BiLstm(const ModelOptions& options, Initializer& initializer)
      : RecurrentModel(options, Cell::kLstm, "lstm", initializer) {
    add_classifier(2 * options.hidden_size, initializer);
  }

  at::Tensor logits(const at::Tensor& x, const ForwardRows& rows, const Dropout& settings) const override {
    const at::Tensor top = states(x, rows, settings);
    const int64_t hidden = options().hidden_size;
    const at::Tensor sentence = at::cat({take_rows(top.narrow(1, 0, hidden), rows.last_tokens),
                                         take_rows(top.narrow(1, hidden, hidden), rows.first_tokens)},
                                        1);
    return classify(dropout(sentence, rows.sequence_rows, settings, DropoutSite::kSentence, 0));
  }
};

}  // namespace

std::unique_ptr<Model> make_bilstm(const ModelOptions& options, Initializer& initializer) {
  return std::make_unique<BiLstm>(options, initializer);
}

}  // namespace rat
