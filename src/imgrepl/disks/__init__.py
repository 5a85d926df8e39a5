"""Readers and writers of disk image formats. Readers are strict and never write."""
