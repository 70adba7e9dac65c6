// Asks network.onnx about the golden inputs and compares its answers with the golden outputs.
// Usage: verify <bundle>. Exit code 0 if all agree, 1 if not, 2 if it could not be tried.

#include <onnxruntime_cxx_api.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// An array of a .npy file: a text that says type and shape, then the numbers as they lie in memory.
struct Array {
    std::string type;  // "<f4", "<f8", "|u1"
    std::vector<int64_t> shape;
    std::vector<char> bytes;

    size_t size() const {
        size_t product = 1;
        for (int64_t length : shape) product *= static_cast<size_t>(length);
        return product;
    }
    template <typename T> T *data() { return reinterpret_cast<T *>(bytes.data()); }
    double at(size_t index) {
        return type == "<f8" ? data<double>()[index] : static_cast<double>(data<float>()[index]);
    }
};

// What stands between two marks of a text.
std::string between(const std::string &text, const std::string &before, const std::string &after) {
    const size_t start = text.find(before);
    const size_t end = start == std::string::npos ? start : text.find(after, start + before.size());
    if (end == std::string::npos) throw std::runtime_error("no " + before + " in the header");
    return text.substr(start + before.size(), end - start - before.size());
}

Array read(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    unsigned char head[10];
    if (!file.read(reinterpret_cast<char *>(head), 10) || head[0] != 0x93)
        throw std::runtime_error(path + " cannot be read");
    std::string text(head[8] + 256u * head[9], ' ');
    file.read(&text[0], static_cast<std::streamsize>(text.size()));
    Array array;
    array.type = between(text, "'descr': '", "'");
    for (char &letter : text = between(text, "'shape': (", ")"))
        if (letter == ',') letter = ' ';
    for (size_t at = 0; (at = text.find_first_not_of(' ', at)) != std::string::npos;) {
        size_t used = 0;
        array.shape.push_back(std::stoll(text.substr(at), &used));
        at += used;
    }
    const size_t width = static_cast<size_t>(array.type.back() - '0');
    array.bytes.resize(width * array.size());
    if (!file.read(array.bytes.data(), static_cast<std::streamsize>(array.bytes.size())))
        throw std::runtime_error(path + " ends too early");
    return array;
}

template <typename T> Ort::Value tensor(Array &array) {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    return Ort::Value::CreateTensor<T>(memory, array.data<T>(), array.size(), array.shape.data(),
                                       array.shape.size());
}

// How many usable events differ by more than the tolerance of the bundle; prints one line.
int differing(const std::string &name, const Ort::Value &answer, Array &wanted, Array &usable) {
    const bool precise = wanted.type == "<f8";
    const double relative = precise ? 1e-6 : 1e-4, absolute = precise ? 1e-9 : 1e-5;
    double largest = 0, worst = 0;
    for (size_t event = 0; event < wanted.size(); ++event)
        if (std::isfinite(wanted.at(event))) largest = std::max(largest, std::fabs(wanted.at(event)));
    int wrong = 0;
    for (size_t event = 0; event < wanted.size(); ++event) {
        if (!usable.data<uint8_t>()[event]) continue;
        const double found = precise ? answer.GetTensorData<double>()[event]
                                     : static_cast<double>(answer.GetTensorData<float>()[event]);
        const double truth = wanted.at(event), room = relative * std::fabs(truth) + absolute * largest;
        if (std::isfinite(found) != std::isfinite(truth)) ++wrong;
        if (!std::isfinite(found) || !std::isfinite(truth)) continue;
        worst = std::max(worst, std::fabs(found - truth));
        if (!(std::fabs(found - truth) <= room)) ++wrong;
    }
    std::printf("%-12s largest difference %.3g, %d of %zu events differ\n", name.c_str(), worst, wrong,
                wanted.size());
    return wrong;
}

int verify(const std::string &bundle) {
    const std::string golden = bundle + "/golden/";
    Ort::Env environment(ORT_LOGGING_LEVEL_WARNING, "verify");
    Ort::Session session(environment, (bundle + "/network.onnx").c_str(), Ort::SessionOptions());
    Ort::AllocatorWithDefaultOptions allocator;
    std::vector<std::string> names;
    std::vector<Array> arrays(session.GetInputCount());
    std::vector<Ort::Value> inputs;
    for (size_t place = 0; place < arrays.size(); ++place) {
        names.emplace_back(session.GetInputNameAllocated(place, allocator).get());
        arrays[place] = read(golden + "inputs/" + names.back() + ".npy");
        inputs.push_back(arrays[place].type == "<f8" ? tensor<double>(arrays[place])
                                                     : tensor<float>(arrays[place]));
    }
    for (size_t place = 0; place < session.GetOutputCount(); ++place)
        names.emplace_back(session.GetOutputNameAllocated(place, allocator).get());
    std::vector<const char *> words;
    for (const std::string &name : names) words.push_back(name.c_str());
    const auto answers = session.Run(Ort::RunOptions(), words.data(), inputs.data(), inputs.size(),
                                     words.data() + inputs.size(), words.size() - inputs.size());
    Array usable = read(golden + "usable.npy");
    int wrong = 0;
    for (size_t place = 0; place < answers.size(); ++place) {
        const std::string &name = names[inputs.size() + place];
        Array wanted = read(golden + "outputs/" + name + ".npy");
        wrong += differing(name, answers[place], wanted, usable);
    }
    std::puts(wrong ? "network.onnx does NOT repeat the golden vectors" : "network.onnx repeats the golden vectors");
    return wrong ? 1 : 0;
}

}  // namespace

int main(int count, char **words) {
    try {
        return verify(count > 1 ? words[1] : ".");
    } catch (const std::exception &error) {
        std::cerr << "verify: " << error.what() << '\n';
        return 2;
    }
}
