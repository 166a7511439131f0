// Scores and explains the examples of a request with the bundle's explained graph: ONNX Runtime, and nothing else.
//
//   explain BUNDLE [REQUEST.json] [TOP]
//
// REQUEST.json is what the server takes too, {"inputs": [...]}; without it the bundle's own examples are taken. Printed are
// the outputs, what is explained, what relevances and ledger sum to, and the TOP elements that matter most.

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <onnxruntime_cxx_api.h>

namespace {

struct Example {
  std::vector<float> values;  // row by row
  std::int64_t elements = 0;
};

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": can't be opened; is it the path of a bundle?");
  return {std::istreambuf_iterator<char>(file), {}};
}

// Takes the numbers of the first list in a JSON text: lists in lists are examples, elements, columns. Names around them say
// nothing that the position doesn't.
std::vector<Example> read_examples(const std::string& path, std::int64_t columns) {
  const std::string text = contents(path);
  std::vector<Example> examples;
  std::size_t row = 0;
  int depth = 0;
  bool closed = false;
  for (std::size_t at = 0; at < text.size() && !closed;) {
    const char sign = text[at];
    if (sign == '"') {
      at = text.find('"', at + 1);
      if (at == std::string::npos) break;
      ++at;
    } else if (sign == '[') {
      if (++depth == 2) examples.emplace_back();
      row = 0;
      ++at;
    } else if (sign == ']') {
      if (depth == 3 && row != static_cast<std::size_t>(columns))
        throw std::runtime_error(path + ": got " + std::to_string(row) + " columns, expected " + std::to_string(columns));
      if (depth == 3) ++examples.back().elements;
      closed = --depth == 0;
      ++at;
    } else if (depth == 3 && (sign == '-' || std::isdigit(static_cast<unsigned char>(sign)))) {
      char* end = nullptr;
      const float value = std::strtof(text.c_str() + at, &end);
      if (!std::isfinite(value)) throw std::runtime_error(path + ": got a number that single precision can't hold");
      examples.back().values.push_back(value);
      ++row;
      at = static_cast<std::size_t>(end - text.c_str());
    } else if (depth == 0 || std::isspace(static_cast<unsigned char>(sign)) || sign == ',' || sign == '{' || sign == '}' ||
               sign == ':') {
      ++at;
    } else {
      throw std::runtime_error(path + ": got '" + sign + "', expected numbers in lists: examples, elements, columns");
    }
  }
  if (!closed || examples.empty()) throw std::runtime_error(path + ": got no list of examples, expected {\"inputs\": [...]}");
  return examples;
}

// What is explained by default stands in the graph itself: the list behind "target" in its entry "explanation".
std::vector<float> default_target(const Ort::Session& session) {
  Ort::AllocatorWithDefaultOptions allocator;
  const auto found = session.GetModelMetadata().LookupCustomMetadataMapAllocated("explanation", allocator);
  const std::string text = found ? found.get() : "";
  const std::size_t start = text.find("\"target\":[");
  if (start == std::string::npos) throw std::runtime_error("the graph doesn't say what it explains");
  std::vector<float> weights;
  const char* at = text.c_str() + text.find('[', start) + 1;
  for (char* end = nullptr;; at = end + 1) {
    weights.push_back(std::strtof(at, &end));
    if (*end != ',') return weights;
  }
}

void print(const char* name, const float* values, std::int64_t count) {
  std::printf("  %s", name);
  for (std::int64_t number = 0; number < count; ++number) std::printf(" %.9g", values[number]);
}

class Explainer {
 public:
  explicit Explainer(const std::string& graph) : session_(env_, graph.c_str(), Ort::SessionOptions{}) {
    if (session_.GetInputCount() != 2) throw std::runtime_error(graph + ": expected two inputs, values and a target");
    Ort::AllocatorWithDefaultOptions allocator;
    for (std::size_t n = 0; n < 2; ++n) inputs_.emplace_back(session_.GetInputNameAllocated(n, allocator).get());
    for (std::size_t n = 0; n < session_.GetOutputCount(); ++n)
      outputs_.emplace_back(session_.GetOutputNameAllocated(n, allocator).get());
    // The type is held by a name of its own: what it hands out points into it.
    const auto values = session_.GetInputTypeInfo(0);
    const auto target = session_.GetInputTypeInfo(1);
    columns_ = values.GetTensorTypeAndShapeInfo().GetShape().back();
    each_ = target.GetTensorTypeAndShapeInfo().GetShape().size() == 3;
    target_ = default_target(session_);
  }

  std::int64_t columns() const { return columns_; }

  void explain(Example& example, std::size_t top) {
    const auto count = static_cast<std::int64_t>(target_.size());
    std::vector<float> weights;
    for (std::int64_t n = 0; n < (each_ ? example.elements : 1); ++n)
      weights.insert(weights.end(), target_.begin(), target_.end());
    const std::vector<std::int64_t> shape{1, example.elements, columns_};
    const auto weighed = each_ ? std::vector<std::int64_t>{1, example.elements, count} : std::vector<std::int64_t>{1, count};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
    std::vector<Ort::Value> given;
    given.push_back(Ort::Value::CreateTensor<float>(memory, example.values.data(), example.values.size(), shape.data(), 3));
    given.push_back(Ort::Value::CreateTensor<float>(memory, weights.data(), weights.size(), weighed.data(), weighed.size()));
    const std::vector<const char*> in{inputs_[0].c_str(), inputs_[1].c_str()};
    std::vector<const char*> out;
    for (const auto& name : outputs_) out.push_back(name.c_str());
    const auto found = session_.Run(Ort::RunOptions{}, in.data(), given.data(), 2, out.data(), out.size());
    report(found, example.elements, top);
  }

 private:
  void report(const std::vector<Ort::Value>& found, std::int64_t elements, std::size_t top) const {
    std::map<std::string, const Ort::Value*> by_name;
    for (std::size_t n = 0; n < found.size(); ++n) by_name[outputs_[n]] = &found[n];
    const auto* relevance = by_name.at("relevance")->GetTensorData<float>();
    const auto* ledger = by_name.at("ledger")->GetTensorData<double>();
    const std::int64_t features = by_name.at("relevance")->GetTensorTypeAndShapeInfo().GetShape().back();
    const double total = std::accumulate(relevance, relevance + elements * features, 0.0);
    std::printf("  relevance %.9g\n  ledger %.9g\n", total, ledger[0] + ledger[1] + ledger[2]);
    for (const auto& name : outputs_) {
      const auto size = by_name.at(name)->GetTensorTypeAndShapeInfo().GetShape();
      if (size.size() != 2 || name == "ledger") continue;
      print(name.c_str(), by_name.at(name)->GetTensorData<float>(), size.back());
      std::printf("\n");
    }
    std::vector<double> matter(static_cast<std::size_t>(elements));
    for (std::int64_t n = 0; n < elements * features; ++n) matter[static_cast<std::size_t>(n / features)] += std::fabs(relevance[n]);
    std::vector<std::size_t> order(matter.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return matter[a] > matter[b]; });
    order.resize(std::min(order.size(), top));
    for (const std::size_t n : order) {
      std::printf("  element %zu", n);
      print("relevance", relevance + static_cast<std::int64_t>(n) * features, features);
      for (const auto& name : outputs_) {  // a network may answer for every element
        const auto size = by_name.at(name)->GetTensorTypeAndShapeInfo().GetShape();
        if (size.size() == 3 && name != "relevance" && name.rfind("edge", 0) != 0)
          print(name.c_str(), by_name.at(name)->GetTensorData<float>() + static_cast<std::int64_t>(n) * size.back(), size.back());
      }
      std::printf("\n");
    }
  }

  Ort::Env env_{ORT_LOGGING_LEVEL_ERROR, "explain"};
  Ort::Session session_;
  std::vector<std::string> inputs_, outputs_;
  std::vector<float> target_;
  std::int64_t columns_ = 0;
  bool each_ = false;  // whether every element has a target of its own
};

}  // namespace

int main(int count, char** words) {
  // Else the releases of ONNX Runtime report to their maker: who set the variable decides.
  setenv("ORT_DISABLE_TELEMETRY", "1", 0);
  if (count < 2 || count > 4) {
    std::fprintf(stderr, "usage: %s BUNDLE [REQUEST.json] [TOP]\n", words[0]);
    return 2;
  }
  try {
    const std::string bundle = words[1];
    const std::string request = count > 2 ? words[2] : bundle + "/examples/request.json";
    const long top = count > 3 ? std::strtol(words[3], nullptr, 10) : 5;
    if (top < 1) throw std::runtime_error(std::string("TOP: got ") + words[3] + ", expected a number of elements");
    Explainer explainer(bundle + "/model_explained.onnx");
    auto examples = read_examples(request, explainer.columns());
    for (std::size_t n = 0; n < examples.size(); ++n) {
      std::printf("example %zu: %lld elements\n", n, static_cast<long long>(examples[n].elements));
      explainer.explain(examples[n], static_cast<std::size_t>(top));
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "Error: %s\n", error.what());
    return 1;
  }
}
