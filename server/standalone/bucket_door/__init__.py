"""The way into a bucket for browsers: uploads with CORS, and pictures for everybody to read.

What a store does not do by itself, such as the one of `make run`. Keys, signatures and files are the store's.
"""
