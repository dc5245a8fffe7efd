// A library to be preloaded into a program (LD_PRELOAD): counts calls of the global operator new of
// its worker threads, where another process can read the count.
//
// MILLRACE_HEAP_COUNT names a file of 8 bytes; the count stands there. Workers are known by their
// names, "worker-0" and so on. C libraries call malloc and are not counted.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

constinit std::atomic<std::uint64_t> unread{0};
constinit std::atomic<std::uint64_t>* calls = &unread;

__attribute__((constructor)) void map_count() {
    const char* const path = std::getenv("MILLRACE_HEAP_COUNT");
    if (path == nullptr) return;
    const int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void* const mapped =
        mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) calls = static_cast<std::atomic<std::uint64_t>*>(mapped);
}

// A thread gets its name after it has begun.
bool is_worker() {
    static thread_local bool known = false;
    if (known) return true;
    char name[16] = {};
    known = pthread_getname_np(pthread_self(), name, sizeof(name)) == 0 &&
            std::strncmp(name, "worker-", 7) == 0;
    return known;
}

void* counted(std::size_t bytes, std::size_t alignment) {
    if (is_worker()) calls->fetch_add(1, std::memory_order_relaxed);
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    return alignment <= alignof(std::max_align_t)
               ? std::malloc(bytes == 0 ? 1 : bytes)
               : std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
}

void* counted_or_throw(std::size_t bytes, std::size_t alignment) {
    void* const memory = counted(bytes, alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return counted_or_throw(bytes, 1); }
void* operator new[](std::size_t bytes) { return counted_or_throw(bytes, 1); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return counted_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
    return counted_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes, 1); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
    return counted(bytes, 1);
}
